using CondDiffusion.MLNet.Diffusion;
using TorchSharp;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Diffusion;

[TestClass]
public sealed class ReverseLoopTests
{
    [TestMethod]
    public void Run_Timesteps_StepsFromEachToTheNextAndVisitsTheResults()
    {
        using var scope = NewDisposeScope();
        var steps = new List<(int, int, int)>();
        var visits = new List<(int, double)>();
        var start = ones(1);

        var x0 = ReverseLoop.Run(
            [9, 5, 2],
            start,
            (xt, t, s, step) =>
            {
                steps.Add((t, s, step));
                return xt + t;
            },
            (s, xs) => visits.Add((s, xs.ToDouble())));

        Assert.AreSequenceEqual([(9, 5, 0), (5, 2, 1), (2, 0, 2)], steps);
        Assert.AreSequenceEqual([(5, 10.0), (2, 15.0), (0, 17.0)], visits);
        Assert.AreEqual(17, x0.ToDouble());
        Assert.AreEqual(1, start.ToDouble());
    }
}

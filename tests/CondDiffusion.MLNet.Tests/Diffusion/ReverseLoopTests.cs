using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Tests.Support;
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

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void Run_Visit_RunsInTheCallersScopeAndGradientMode(bool gradients)
    {
        using var mode = set_grad_enabled(gradients);
        using var scope = NewDisposeScope();
        var start = ones(1, ScalarType.Float32, CPU);
        var kept = new List<Tensor>();

        var x0 = ReverseLoop.Run(
            [3, 2, 1],
            start,
            (xt, t, s, step) =>
            {
                Assert.IsFalse(is_grad_enabled());
                return xt + (xt * 2).sin();
            },
            (s, xs) =>
            {
                Assert.AreEqual(gradients, is_grad_enabled());
                kept.Add(xs.clone());
            });

        Assert.IsTrue(kept.All(tensor => !tensor.IsInvalid));
        Assert.AreEqual(kept[^1].ToDouble(), x0.ToDouble());
        Assert.AreEqual(2 + kept.Count, scope.DisposablesCount); // the start and the result
    }

    [TestMethod]
    [DataRow(0)]
    [DataRow(2)]
    public void Run_StepOrVisitThrows_LeavesNoTensor(int at)
    {
        using var start = ones(1, ScalarType.Float32, CPU);
        var before = TensorAssert.Count();
        Assert.ThrowsExactly<TimeoutException>(() => ReverseLoop.Run([3, 2, 1], start, (xt, t, s, step) =>
        {
            var xs = xt + 1;
            return step == at ? throw new TimeoutException() : xs;
        }));
        Assert.ThrowsExactly<TimeoutException>(() => ReverseLoop.Run(
            [3, 2, 1], start, (xt, t, s, step) => xt + 1, (s, xs) =>
            {
                if (s == at) throw new TimeoutException();
            }));
        Assert.AreEqual(before, Tensor.TotalCount);
    }
}

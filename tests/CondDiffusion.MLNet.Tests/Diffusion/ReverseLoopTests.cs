using CondDiffusion.MLNet.Diffusion;
using TorchSharp;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Diffusion;

[TestClass]
public sealed class ReverseLoopTests
{
    [TestMethod]
    [DataRow(StepSpacing.Uniform, new[] { 1000, 750, 501, 251, 1 })]
    [DataRow(StepSpacing.Trailing, new[] { 1000, 800, 600, 400, 200 })]
    public void Timesteps_FiveOfAThousand_LieAsDocumented(StepSpacing spacing, int[] expected) =>
        Assert.AreSequenceEqual(expected, ReverseLoop.Timesteps(NoiseSchedule.Linear(1000), spacing, 5));

    [TestMethod]
    public void Timesteps_LogSnr_AreTheNearestToEvenOnes()
    {
        var schedule = NoiseSchedule.Cosine(1000);
        var timesteps = ReverseLoop.Timesteps(schedule, StepSpacing.LogSnr, 7);
        for (var i = 0; i < 7; i++)
        {
            var lambda = schedule.HalfLogSnr(1000) + i / 6.0 * (schedule.HalfLogSnr(1) - schedule.HalfLogSnr(1000));
            Assert.AreEqual(Enumerable.Range(1, 1000).MinBy(t => Math.Abs(schedule.HalfLogSnr(t) - lambda)), timesteps[i]);
        }
    }

    [TestMethod]
    [DataRow(StepSpacing.Uniform)]
    [DataRow(StepSpacing.Trailing)]
    [DataRow(StepSpacing.LogSnr)]
    public void Timesteps_OfAnyCount_AreSoManyAndFallFromTheLast(StepSpacing spacing)
    {
        foreach (var last in new[] { 1, 2, 3, 10, 77 })
        {
            foreach (var schedule in new[] { NoiseSchedule.Linear(last), NoiseSchedule.Cosine(last) })
            {
                for (var steps = 1; steps <= last; steps++)
                {
                    var timesteps = ReverseLoop.Timesteps(schedule, spacing, steps);
                    Assert.HasCount(steps, timesteps);
                    Assert.AreEqual(last, timesteps[0]);
                    Assert.IsGreaterThanOrEqualTo(1, timesteps[^1]);
                    Assert.IsTrue(timesteps.Zip(timesteps.Skip(1)).All(pair => pair.First > pair.Second), $"{steps} of {last}");
                }
            }
        }
    }

    [TestMethod]
    public void Run_Timesteps_StepsFromEachToTheNextAndShowsWhatItGives()
    {
        using var scope = NewDisposeScope();
        var (steps, visits) = (new List<(int, int)>(), new List<(int, double)>());
        var start = ones(1);
        var x = ReverseLoop.Run([9, 5, 2], start, (x, t, s) =>
        {
            steps.Add((t, s));
            return x + t;
        }, (t, x) => visits.Add((t, x.ToDouble())));
        Assert.AreSequenceEqual([(9, 5), (5, 2), (2, 0)], steps);
        Assert.AreSequenceEqual([(5, 10.0), (2, 15.0), (0, 17.0)], visits);
        Assert.AreEqual(17, x.ToDouble());
        Assert.AreEqual(1, start.ToDouble());
    }
}

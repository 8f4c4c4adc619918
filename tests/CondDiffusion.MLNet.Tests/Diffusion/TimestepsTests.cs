using CondDiffusion.MLNet.Diffusion;

namespace CondDiffusion.MLNet.Tests.Diffusion;

[TestClass]
public sealed class TimestepsTests
{
    [TestMethod]
    [DataRow(StepSpacing.Uniform, new[] { 1000, 750, 501, 251, 1 })]
    [DataRow(StepSpacing.Trailing, new[] { 1000, 800, 600, 400, 200 })]
    public void Choose_FiveOfAThousand_LieAsDocumented(StepSpacing spacing, int[] expected) =>
        Assert.AreSequenceEqual(expected, Timesteps.Choose(NoiseSchedule.Linear(1000), spacing, 5));

    [TestMethod]
    public void Choose_LogSnr_AreTheNearestToEvenOnes()
    {
        var schedule = NoiseSchedule.Cosine(1000);
        var timesteps = Timesteps.Choose(schedule, StepSpacing.LogSnr, 7);
        for (var i = 0; i < 7; i++)
        {
            var rise = schedule.HalfLogSnr(1) - schedule.HalfLogSnr(1000);
            var lambda = schedule.HalfLogSnr(1000) + i / 6.0 * rise;
            var nearest = Enumerable.Range(1, 1000).MinBy(t => Math.Abs(schedule.HalfLogSnr(t) - lambda));
            Assert.AreEqual(nearest, timesteps[i]);
        }
    }

    [TestMethod]
    [DataRow(StepSpacing.Uniform)]
    [DataRow(StepSpacing.Trailing)]
    [DataRow(StepSpacing.LogSnr)]
    public void Choose_AnyCount_GivesThatManyDistinctOnesFallingFromTheLast(StepSpacing spacing)
    {
        foreach (var last in new[] { 1, 2, 3, 10, 77 })
        {
            foreach (var schedule in new[] { NoiseSchedule.Linear(last), NoiseSchedule.Cosine(last) })
            {
                for (var steps = 1; steps <= last; steps++)
                {
                    var timesteps = Timesteps.Choose(schedule, spacing, steps);
                    Assert.HasCount(steps, timesteps);
                    Assert.AreEqual(last, timesteps[0]);
                    Assert.IsGreaterThanOrEqualTo(1, timesteps[^1]);

                    var pairs = timesteps.Zip(timesteps.Skip(1));
                    Assert.IsTrue(pairs.All(pair => pair.First > pair.Second), $"{steps} of {last}");
                }
            }
        }
    }
}

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

    /// <summary>Of the angle of x_T, arctan(sigma / alpha), four steps are at 4/4, 3/4, 2/4 and 1/4.</summary>
    [TestMethod]
    public void Choose_Angle_AreTheNearestToEvenOnes()
    {
        var schedule = NoiseSchedule.Linear(1000);
        var whole = Math.Acos(schedule.Alpha(1000));
        var expected = Enumerable.Range(1, 4).Reverse().Select(quarter => Enumerable.Range(1, 1000)
            .MinBy(t => Math.Abs(Math.Acos(schedule.Alpha(t)) - whole * quarter / 4)));
        Assert.AreSequenceEqual(expected, Timesteps.Choose(schedule, StepSpacing.Angle, 4));
    }

    /// <summary>
    /// The expected timesteps are those of the formulas in Python. The levels of eight steps of a thousand are 157, and
    /// 25 (0.03 / 25)^(i / 6): 24.9, 8.13, 2.66, 0.864, 0.281, 0.092 and 0.030 are the nearest.
    /// </summary>
    [TestMethod]
    [DataRow(1, new[] { 1000 })]
    [DataRow(2, new[] { 1000, 232 })]
    [DataRow(3, new[] { 1000, 453, 83 })]
    [DataRow(4, new[] { 1000, 797, 232, 6 })]
    [DataRow(8, new[] { 1000, 797, 644, 453, 232, 83, 25, 6 })]
    public void Choose_Focused_GoesToSigma25AndThenEvenlyTo003(int steps, int[] expected) =>
        Assert.AreSequenceEqual(expected, Timesteps.Choose(NoiseSchedule.Linear(1000), StepSpacing.Focused, steps));

    /// <summary>
    /// Of 100 timesteps, the first of a scaled schedule has the level 0.0316, and the last of one that is not has 1.32.
    /// </summary>
    [TestMethod]
    [DataRow(true, new[] { 100, 78, 24, 1 })]
    [DataRow(false, new[] { 100, 36, 11, 3 })]
    public void Choose_FocusedBeyondTheSchedule_IsEvenToItsEnd(bool scaled, int[] expected) =>
        Assert.AreSequenceEqual(
            expected, Timesteps.Choose(NoiseSchedule.Linear(100, scaled), StepSpacing.Focused, 4));

    /// <summary>
    /// The nearest timesteps, by the formulas in Python, are 10 4 3 2 2, and 10 5 5 3 2 1, and 10 10 9 8 4 1.
    /// </summary>
    [TestMethod]
    [DataRow(BetaSchedule.Linear, StepSpacing.Angle, new[] { 10, 5, 4, 3, 2 })]
    [DataRow(BetaSchedule.Linear, StepSpacing.Focused, new[] { 10, 6, 5, 3, 2, 1 })]
    [DataRow(BetaSchedule.Cosine, StepSpacing.LogSnr, new[] { 10, 9, 8, 7, 4, 1 })]
    public void Choose_StepsOnOneTimestep_MoveTheEarlierUpAndAtTheLastTimestepTheLaterDown(
        BetaSchedule kind, StepSpacing spacing, int[] expected) => Assert.AreSequenceEqual(
            expected, Timesteps.Choose(NoiseSchedule.Create(kind, 10), spacing, expected.Length));

    [TestMethod]
    [DataRow(1000, 4, 4)]
    [DataRow(1000, 4, 250)]
    [DataRow(20, 4, 5)]
    [DataRow(50, 8, 6)]
    [DataRow(4, 4, 1)]
    public void Divide_Steps_HasTheirTimestepsAndFallsBetweenThem(int last, int steps, int parts)
    {
        var schedule = NoiseSchedule.Linear(last);
        var timesteps = Timesteps.Choose(schedule, StepSpacing.Angle, steps);
        var divided = Timesteps.Divide(schedule, timesteps, parts);
        Assert.IsEmpty(timesteps.Except(divided));
        Assert.IsTrue(divided.Zip(divided.Skip(1)).All(pair => pair.First > pair.Second));
        Assert.IsGreaterThanOrEqualTo(1, divided[^1]);
        Assert.IsLessThanOrEqualTo(steps * parts, divided.Length);
        if (last == 1000 && parts == 4) Assert.HasCount(16, divided);
    }

    [TestMethod]
    [DataRow(StepSpacing.Uniform)]
    [DataRow(StepSpacing.Trailing)]
    [DataRow(StepSpacing.LogSnr)]
    [DataRow(StepSpacing.Angle)]
    [DataRow(StepSpacing.Focused)]
    public void Choose_AnyCount_GivesThatManyDistinctOnesFallingFromTheLast(StepSpacing spacing)
    {
        foreach (var last in new[] { 1, 2, 3, 10, 77 })
        {
            NoiseSchedule[] schedules =
            [
                NoiseSchedule.Linear(last), NoiseSchedule.Cosine(last), NoiseSchedule.Linear(last, scaled: false),
            ];
            foreach (var schedule in schedules)
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

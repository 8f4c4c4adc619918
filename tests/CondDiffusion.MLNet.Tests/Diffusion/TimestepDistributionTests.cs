using CondDiffusion.MLNet.Diffusion;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Diffusion;

[TestClass]
public sealed class TimestepDistributionTests
{
    private const int Count = 400_000;

    private static readonly NoiseSchedule Schedule = NoiseSchedule.Linear(1000);

    /// <summary>
    /// The fractions of a normal distribution of mean 0.2 and deviation 1.3 between the logarithms of these levels,
    /// from a table of the normal distribution, and of the timesteps of the linear schedule, counted.
    /// </summary>
    [TestMethod]
    [DataRow(0, 0.1, 0.027, 0.027)]
    [DataRow(0.1, 0.3, 0.113, 0.061)]
    [DataRow(0.3, 1, 0.299, 0.171)]
    [DataRow(1, 3, 0.316, 0.216)]
    [DataRow(3, 10, 0.192, 0.199)]
    [DataRow(10, 30, 0.046, 0.145)]
    [DataRow(30, 1000, 0.007, 0.181)]
    public void Draw_LogNormal_HasTheFractionsOfTheDistribution(double low, double high, double normal, double uniform)
    {
        var timesteps = Draw(TimestepSampling.LogNormal, seed: 1);
        var fraction = timesteps.Average(t => Level((int)t) >= low && Level((int)t) < high ? 1.0 : 0);
        Assert.AreEqual(0.95 * normal + 0.05 * uniform, fraction, 0.004);
    }

    [TestMethod]
    public void Draw_LogNormal_ComesToEveryTimestepAndToNoOther()
    {
        var timesteps = Draw(TimestepSampling.LogNormal, seed: 2);
        Assert.AreSequenceEqual(Enumerable.Range(1, 1000).Select(t => (long)t), timesteps.Distinct().Order());
    }

    [TestMethod]
    public void Draw_Uniform_IsRandintOfTheSameGenerator()
    {
        using var random = new Generator(3, CPU);
        using var expected = randint(1, 1001, [Count], ScalarType.Int64, CPU, generator: random);
        Assert.AreSequenceEqual(expected.data<long>().ToArray(), Draw(TimestepSampling.Uniform, seed: 3));
    }

    private static double Level(int t) => Schedule.Sigma(t) / Schedule.Alpha(t);

    private static long[] Draw(TimestepSampling kind, ulong seed)
    {
        using var distribution = TimestepDistribution.Create(kind, Schedule, mean: 0.2, deviation: 1.3);
        using var random = new Generator(seed, CPU);
        using var timesteps = distribution.Draw(Count, random);
        return timesteps.data<long>().ToArray();
    }
}

using System.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Diffusion;

/// <summary>Draws the timesteps of a training (<see cref="TimestepSampling"/>).</summary>
internal sealed class TimestepDistribution : IDisposable
{
    /// <summary>The fraction of the timesteps of a log-normal distribution that are chosen uniformly.</summary>
    public const double UniformFraction = 0.05;

    private readonly int _timesteps;
    private readonly Tensor? _cumulative; // the probability of t or less, for t in 1..T

    private TimestepDistribution(int timesteps, Tensor? cumulative)
    {
        _timesteps = timesteps;
        _cumulative = cumulative;
    }

    /// <summary>Creates a distribution.</summary>
    /// <param name="kind">The kind.</param>
    /// <param name="schedule">The schedule of the timesteps.</param>
    /// <param name="mean">Mean of the logarithm of the noise level in a log-normal distribution.</param>
    /// <param name="deviation">Standard deviation of that logarithm.</param>
    public static TimestepDistribution Create(
        TimestepSampling kind, NoiseSchedule schedule, double mean, double deviation) => kind switch
        {
            TimestepSampling.Uniform => new(schedule.Timesteps, null),
            TimestepSampling.LogNormal => new(schedule.Timesteps, LogNormal(schedule, mean, deviation)),
            _ => throw new UnreachableException($"{kind}"),
        };

    /// <summary>Draws timesteps, on the CPU.</summary>
    /// <param name="count">How many.</param>
    /// <param name="random">The source of the random numbers.</param>
    /// <returns>Timesteps 1..T, int64 (count).</returns>
    public Tensor Draw(long count, Generator random)
    {
        if (_cumulative is null)
            return randint(1, _timesteps + 1, [count], ScalarType.Int64, CPU, generator: random);

        using var scope = NewDisposeScope();
        var u = rand([count], ScalarType.Float64, CPU, generator: random);
        using Scalar first = 1;
        using Scalar last = _timesteps;
        return searchsorted(_cumulative, u, right: true)
            .add_(first, first)
            .clamp_max_(last)
            .MoveToOuterDisposeScope();
    }

    public void Dispose() => _cumulative?.Dispose();

    /// <summary>Gives each timestep the noise levels that are nearest to its own, on a logarithmic scale.</summary>
    private static Tensor LogNormal(NoiseSchedule schedule, double mean, double deviation)
    {
        using var scope = NewDisposeScope();
        var last = schedule.Timesteps;
        var ends = Enumerable.Range(1, last).Select(t => t == last
            ? double.PositiveInfinity
            : -(schedule.HalfLogSnr(t) + schedule.HalfLogSnr(t + 1)) / 2);
        var z = tensor([.. ends], ScalarType.Float64, CPU).Plus(-mean).Over(deviation * Math.Sqrt(2));  // T
        var normal = z.erf().Plus(1).Over(2);
        var uniform = arange(1, last + 1, ScalarType.Float64, CPU).Over(last);
        return normal.Times(1 - UniformFraction).Plus(uniform.Times(UniformFraction)).DetachFromDisposeScope();
    }
}

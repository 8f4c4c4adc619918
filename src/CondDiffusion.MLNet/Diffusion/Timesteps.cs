using System.Diagnostics;

namespace CondDiffusion.MLNet.Diffusion;

/// <summary>Chooses the timesteps at which a sampler takes its steps, as <see cref="StepSpacing"/> describes.</summary>
internal static class Timesteps
{
    // The noise levels between which StepSpacing.Focused takes its steps, but for the first one.
    private const double HighFocus = 25;
    private const double LowFocus = 0.03;

    // The fewest steps with which that spacing visits both ends.
    private const int StepsForBothEnds = 4;

    /// <summary>Returns distinct timesteps, falling from T.</summary>
    /// <param name="schedule">The schedule with the T timesteps to choose from.</param>
    /// <param name="spacing">The rule to choose by.</param>
    /// <param name="steps">The number of timesteps to choose, 1..T.</param>
    public static int[] Choose(NoiseSchedule schedule, StepSpacing spacing, int steps)
    {
        var timesteps = spacing switch
        {
            StepSpacing.Uniform => Uniform(schedule.Timesteps, steps),
            StepSpacing.Trailing => Trailing(schedule.Timesteps, steps),
            StepSpacing.LogSnr => LogSnr(schedule, steps),
            StepSpacing.Angle => FindAngles(schedule, steps),
            StepSpacing.Focused => Focus(schedule, steps),
            _ => throw new UnreachableException($"{spacing}"),
        };

        MakeDistinct(timesteps, schedule.Timesteps);
        return timesteps;
    }

    private static int[] Uniform(int last, int steps) =>
        [.. Enumerable.Range(0, steps).Select(i => Round(last - Fraction(i, steps) * (last - 1)))];

    private static int[] Trailing(int last, int steps) =>
        [.. Enumerable.Range(0, steps).Select(i => Round(last - (double)i * last / steps))];

    private static int[] LogSnr(NoiseSchedule schedule, int steps)
    {
        var first = schedule.HalfLogSnr(schedule.Timesteps);
        var rise = schedule.HalfLogSnr(1) - first;
        return FindNearest(schedule.Timesteps, steps, schedule.HalfLogSnr, i => first + Fraction(i, steps) * rise);
    }

    private static int[] Focus(NoiseSchedule schedule, int steps)
    {
        // lambda is minus the logarithm of the noise level.
        var first = schedule.HalfLogSnr(schedule.Timesteps);
        var start = Math.Max(first, -Math.Log(HighFocus));
        var end = Math.Min(schedule.HalfLogSnr(1), -Math.Log(LowFocus));
        return FindNearest(
            schedule.Timesteps, steps, schedule.HalfLogSnr, i => i == 0 ? first : start + Part(i) * (end - start));

        double Part(int i)
        {
            if (first == start) return Fraction(i, steps);
            return steps >= StepsForBothEnds ? Fraction(i - 1, steps - 1) : (double)i / steps;
        }
    }

    private static int[] FindAngles(NoiseSchedule schedule, int steps)
    {
        var whole = schedule.Angle(schedule.Timesteps);
        return FindNearest(schedule.Timesteps, steps, schedule.Angle, i => whole * (steps - i) / steps);
    }

    /// <summary>
    /// Returns falling timesteps that divide each step of a sampler in <see cref="StepSpacing.Angle"/> into several, as
    /// far as there are timesteps between its ends. The given ones are among them.
    /// </summary>
    /// <param name="schedule">The schedule with the timesteps to choose from.</param>
    /// <param name="timesteps">The timesteps of the sampler.</param>
    /// <param name="parts">The number of parts of each step.</param>
    public static int[] Divide(NoiseSchedule schedule, IReadOnlyList<int> timesteps, int parts)
    {
        var even = FindAngles(schedule, timesteps.Count * parts);
        return
        [
            .. even.Select((t, i) =>
            {
                var step = i / parts;
                var end = step + 1 < timesteps.Count ? timesteps[step + 1] : 0;
                return i % parts == 0 ? timesteps[step] : Math.Clamp(t, end + 1, timesteps[step]);
            }).Distinct(),
        ];
    }

    /// <summary>
    /// Finds the timesteps of the values that are nearest to the wanted ones. Both rise, or both fall, as t falls, so
    /// that the search can continue where the last one ended.
    /// </summary>
    private static int[] FindNearest(int last, int steps, Func<int, double> value, Func<int, double> wanted)
    {
        var timesteps = new int[steps];
        var t = last;
        for (var i = 0; i < steps; i++)
        {
            while (t > 1 && Distance(t - 1) <= Distance(t)) t--;
            timesteps[i] = t;

            double Distance(int t) => Math.Abs(value(t) - wanted(i));
        }

        return timesteps;
    }

    /// <summary>Moves timesteps that coincide to free neighbours, so that all differ and lie in 1..last.</summary>
    private static void MakeDistinct(int[] timesteps, int last)
    {
        // From the end, each moves up past the one after it, which may push the first ones above T - i.
        for (var i = timesteps.Length - 2; i >= 0; i--) timesteps[i] = Math.Max(timesteps[i], timesteps[i + 1] + 1);

        // Those come back down. The i timesteps before the i-th need the i numbers above it.
        for (var i = 0; i < timesteps.Length; i++) timesteps[i] = Math.Min(timesteps[i], last - i);
    }

    /// <summary>Returns how far step i is on the way from the first step (0) to the last (1).</summary>
    private static double Fraction(int i, int steps) => (double)i / Math.Max(steps - 1, 1);

    private static int Round(double t) => (int)Math.Round(t, MidpointRounding.AwayFromZero);
}

using CondDiffusion.MLNet.Diffusion;

namespace CondDiffusion.MLNet.Model;

/// <summary>
/// The interval of guidance in model files of formats before 1.6, which is in fractions of the timesteps: a step from
/// timestep t is guided if t / T is above the lower one, 0 by default, and at most the higher one, 1 by default.
/// </summary>
internal static class GuidanceFractions
{
    /// <summary>Returns options that guide every step as those formats have them: with the fractions 0 and 1.</summary>
    public static SamplingOptions Add(SamplingOptions sampling) =>
        sampling with { GuidanceIntervalLow = 0, GuidanceIntervalHigh = 1 };

    /// <summary>Adds what is wrong with the interval of a file.</summary>
    /// <param name="sampling">The options of the file.</param>
    /// <param name="isOld">Whether the file's format has the interval in fractions.</param>
    /// <param name="errors">Receives the errors.</param>
    public static void Check(SamplingOptions sampling, bool isOld, OptionErrors errors)
    {
        var low = sampling.GuidanceIntervalLow;
        var high = sampling.GuidanceIntervalHigh;
        if (isOld)
        {
            errors.Fraction(low ?? 0, nameof(sampling.GuidanceIntervalLow));
            errors.EndOfInterval(
                high ?? 1,
                low ?? 0,
                nameof(sampling.GuidanceIntervalHigh),
                nameof(sampling.GuidanceIntervalLow));
            const string Newer = "in formats from 1.6 on only";
            errors.Check(sampling.GuidanceSigmaLow == 0, nameof(sampling.GuidanceSigmaLow), Newer, "here");
            errors.Check(sampling.GuidanceSigmaHigh is null, nameof(sampling.GuidanceSigmaHigh), Newer, "here");
        }
        else
        {
            const string Older = "in formats before 1.6 only";
            errors.Check(low is null, nameof(sampling.GuidanceIntervalLow), Older, "here");
            errors.Check(high is null, nameof(sampling.GuidanceIntervalHigh), Older, "here");
        }
    }

    /// <summary>Returns the options of a file with noise levels that guide the same steps.</summary>
    /// <param name="sampling">The options, which are valid.</param>
    /// <param name="schedule">The schedule of the file.</param>
    public static SamplingOptions ToNoiseLevels(SamplingOptions sampling, NoiseSchedule schedule)
    {
        // The last timesteps that are not above the fractions.
        var low = (int)((sampling.GuidanceIntervalLow ?? 0) * schedule.Timesteps);
        var high = (int)((sampling.GuidanceIntervalHigh ?? 1) * schedule.Timesteps);
        return sampling with
        {
            GuidanceSigmaLow = low == 0 ? 0 : LevelAbove(low, 1 / 3.0),
            GuidanceSigmaHigh = high == schedule.Timesteps ? null : LevelAbove(high, 2 / 3.0),
            GuidanceIntervalLow = null,
            GuidanceIntervalHigh = null,
        };

        // Between two timesteps, rounding moves neither of them past the level. The lower bound is nearer to the first
        // of them, so that it is below the other bound even if no timestep is guided.
        double LevelAbove(int t, double part) =>
            schedule.NoiseLevel(t) + part * (schedule.NoiseLevel(t + 1) - schedule.NoiseLevel(t));
    }
}

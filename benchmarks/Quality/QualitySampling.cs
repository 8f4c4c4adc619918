using System.Globalization;
using CondDiffusion.Examples;

namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>A way to sample the models of the table.</summary>
/// <param name="Name">What it adds to a model's name, so that each row of a model has another one.</param>
/// <param name="Change">Changes the model's own options.</param>
internal sealed record QualitySampling(string Name, Func<SamplingOptions, SamplingOptions> Change)
{
    /// <summary>
    /// Returns the samplings that the command line asks for: those of --samplings, or each scale of --guidance with
    /// each number of --steps. Where it has none of these options, this is the model's own sampling.
    /// </summary>
    public static IReadOnlyList<QualitySampling> Parse(Arguments arguments)
    {
        var samplings = arguments.List("--samplings");
        if (samplings.Length > 0 && (arguments.Has("--guidance") || arguments.Has("--steps")))
            throw new UsageException("Option --samplings has steps and guidance, so leave out --steps and --guidance.");

        if (samplings.Length > 0) return [.. samplings.Select(ParseWhole)];

        double?[] guidances =
        [
            .. arguments.List("--guidance").Select(text => double.Parse(text, CultureInfo.InvariantCulture)),
        ];
        int?[] steps = [.. arguments.List("--steps").Select(text => int.Parse(text, CultureInfo.InvariantCulture))];
        return
        [
            .. from guidance in guidances.DefaultIfEmpty()
               from count in steps.DefaultIfEmpty()
               select Create(guidance, count),
        ];
    }

    private static QualitySampling Create(double? guidance, int? steps)
    {
        var name = guidance is null ? "" : string.Create(CultureInfo.InvariantCulture, $", guidance {guidance}");
        if (steps is not null) name += $", {steps} steps";
        return new(name, options => options with
        {
            GuidanceScale = guidance ?? options.GuidanceScale,
            Steps = steps ?? options.Steps,
        });
    }

    /// <summary>Reads a sampling from STEPS:SPACING:GUIDANCE or STEPS:SPACING:GUIDANCE:LOW-HIGH.</summary>
    private static QualitySampling ParseWhole(string text)
    {
        var parts = text.Split(':');
        var interval = parts.Length == 4 ? Arguments.ParseInterval(parts[3], '-') : null;
        if (parts.Length is not (3 or 4)
            || (parts.Length == 4 && interval is null)
            || !int.TryParse(parts[0], CultureInfo.InvariantCulture, out var steps)
            || !Enum.TryParse<StepSpacing>(parts[1], ignoreCase: true, out var spacing)
            || !double.TryParse(parts[2], CultureInfo.InvariantCulture, out var guidance))
        {
            throw new UsageException(
                "Option --samplings must have the form STEPS:SPACING:GUIDANCE or STEPS:SPACING:GUIDANCE:LOW-HIGH, " +
                $"such as 8:Focused:1.5:0.5-5, but has '{text}'.");
        }

        // The numbers as they were read, so that one sampling has one name.
        var name = string.Create(CultureInfo.InvariantCulture, $", {steps} steps {spacing}, guidance {guidance}");
        if (interval is { } ends)
            name += string.Create(CultureInfo.InvariantCulture, $" for sigma {ends.Low}-{ends.High}");

        return new(name, options => options with
        {
            Steps = steps,
            Spacing = spacing,
            GuidanceScale = guidance,
            GuidanceSigmaLow = interval?.Low ?? 0,
            GuidanceSigmaHigh = interval?.High,
        });
    }
}

using System.Globalization;
using CondDiffusion.Examples;

namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>How the images of a model are generated that are measured; null leaves it to the model.</summary>
/// <param name="Guidance">Guidance scale.</param>
/// <param name="Steps">Number of steps.</param>
/// <param name="Spacing">Spacing of the steps.</param>
/// <param name="Interval">Ends of the guidance interval, as fractions of T.</param>
internal sealed record QualitySampling(double? Guidance, int? Steps, StepSpacing? Spacing, double[]? Interval)
{
    /// <summary>Reads the samplings that a command line lists: every guidance scale with every number of steps.</summary>
    public static IReadOnlyList<QualitySampling> Read(Arguments arguments)
    {
        StepSpacing? spacing = arguments.Has("--spacing") ? arguments.Enum("--spacing", StepSpacing.LogSnr) : null;
        var interval = Numbers(arguments, "--interval");
        return
        [
            .. from guidance in Choices("--guidance")
               from steps in Choices("--steps")
               select new QualitySampling(guidance, (int?)steps, spacing, interval),
        ];

        double?[] Choices(string option) =>
            Numbers(arguments, option)?.Select(number => (double?)number).ToArray() ?? [null];
    }

    /// <summary>Returns the name of a model with what is set here.</summary>
    public string Describe(string model)
    {
        if (Guidance is { } guidance) model = string.Create(null, $"{model}, guidance {guidance}");
        if (Interval is [var low, var high]) model = string.Create(null, $"{model} from {high} to {low} T");
        if (Steps is { } steps) model = $"{model}, {steps} steps";
        return Spacing is { } spacing ? $"{model}, {spacing}" : model;
    }

    /// <summary>Returns the options of a model with what is set here.</summary>
    public SamplingOptions Apply(SamplingOptions options) => options with
    {
        GuidanceScale = Guidance ?? options.GuidanceScale,
        Steps = Steps ?? options.Steps,
        Spacing = Spacing ?? options.Spacing,
        GuidanceIntervalLow = Interval?[0] ?? options.GuidanceIntervalLow,
        GuidanceIntervalHigh = Interval?[1] ?? options.GuidanceIntervalHigh,
    };

    private static double[]? Numbers(Arguments arguments, string option) =>
        arguments.Find(option)?.Split(',').Select(text => double.Parse(text, CultureInfo.InvariantCulture)).ToArray();
}

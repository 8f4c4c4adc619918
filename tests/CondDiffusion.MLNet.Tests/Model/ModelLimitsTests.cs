using System.Reflection;
using System.Text;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Options = CondDiffusion.MLNet.ConditionalDiffusionTrainer.Options;

namespace CondDiffusion.MLNet.Tests.Model;

/// <summary>What options accept, a model file can hold: checked at the extremes of every option.</summary>
[TestClass]
public sealed class ModelLimitsTests
{
    private static readonly MLContext Ml = new(seed: 1);
    private static readonly LabelVocabulary Labels = new(2, ["cat", "dog"]);

    private static readonly int[] Ints =
    [
        int.MinValue, -1, 0, 1, 2, 3, 4, 100, 1000, 9_999, 10_000, 10_001, 65_536, 65_537, 1 << 20, 1 << 22,
        (1 << 22) + 4, 1 << 24, (1 << 24) + 1, int.MaxValue,
    ];

    private static readonly double[] Doubles =
    [
        double.NaN, double.NegativeInfinity, -1, -double.Epsilon, 0, double.Epsilon, 0.5, Math.BitDecrement(1), 1,
        Math.BitIncrement(1), 1000, 1000.1, double.MaxValue, double.PositiveInfinity,
    ];

    private static readonly int[][] Widths =
    [
        [], [1, 1], [1, 1, 1], [0, 1, 1], [1, 1, 1, 1], [1, 1, 10_000], [2048, 2048, 2048], [4096, 4096, 4096],
        [32], [32, 32, 32, 32],
        [1 << 24, 1 << 24, 1 << 24], [int.MaxValue, int.MaxValue, int.MaxValue],
    ];

    [TestMethod]
    public void Options_AcceptedAtTheirExtremes_AreReadFromAFile()
    {
        var accepted = 0;
        foreach (var property in OptionReflection<Options>.Properties)
        {
            foreach (var value in Extremes(property))
                accepted += IsAccepted(With(Tiny.Options, property, value), $"{property.Name} = {value}") ? 1 : 0;
        }

        Assert.IsGreaterThan(100, accepted);
    }

    [TestMethod]
    public void SamplingOptions_AcceptedAtTheirExtremes_AreReadFromAFile()
    {
        var accepted = 0;
        foreach (var property in typeof(SamplingOptions).GetProperties())
        {
            foreach (var value in Extremes(property))
            {
                var options = Tiny.Options with { Sampling = With(new SamplingOptions(), property, value) };
                accepted += IsAccepted(options, $"{property.Name} = {value}") ? 1 : 0;
            }
        }

        Assert.IsGreaterThan(30, accepted);
    }

    /// <summary>JSON has no infinity: a model with one could be trained, but not saved.</summary>
    [TestMethod]
    public void Options_InfiniteWhereFiniteIsDocumented_AreRefused()
    {
        Refuses("MinSnrGamma", Tiny.Options with { MinSnrGamma = double.PositiveInfinity });
        Refuses("LabelSharing", Tiny.Options with { LabelSharing = double.PositiveInfinity });
        Refuses("RotationDegrees", Tiny.Options with { RotationDegrees = double.PositiveInfinity });
        Refuses("GradientClipNorm", Tiny.Options with { GradientClipNorm = double.PositiveInfinity });
        var sampling = new SamplingOptions { GuidanceSigmaLow = double.PositiveInfinity, GuidanceSigmaHigh = null };
        Refuses("Sampling.GuidanceSigmaLow", Tiny.Options with { Sampling = sampling });

        static void Refuses(string option, Options options) => Throws.Saying<ArgumentException>(
            () => Ml.ImageGeneration.Trainers.ConditionalDiffusion(options),
            $"{option} must be finite and not negative, but is {double.PositiveInfinity}");
    }

    [TestMethod]
    public void LabelsAndEmbedding_AcceptedAtTheirExtremes_AreReadFromAFile()
    {
        var (accepted, refused) = (0, 0);
        foreach (var count in new[] { 1, 1000, 1 << 20, ModelLimits.Size })
        {
            foreach (var size in new[] { 1, 31, 32, 100, 1000, 10_000 })
            {
                var options = Tiny.Options with { EmbeddingSize = size };
                try
                {
                    options.NetworkShape(count);
                }
                catch (InvalidOperationException exception)
                {
                    Assert.Contains("Column 'Label' has too many labels", exception.Message);
                    Assert.Contains("Parameters must be at most 536870911", exception.Message);
                    refused++;
                    continue;
                }

                AssertReadable(options.Describe(new(count, null), seed: 1), $"{count} x {size}");
                accepted++;
            }
        }

        Assert.AreEqual((18, 6), (accepted, refused));
    }

    /// <summary>One number of a file, beyond its limit; the weights would not show it.</summary>
    [TestMethod]
    [DataRow("\"Timesteps\": 4,", "\"Timesteps\": 10001,", "Timesteps must be from 1 to 10000")]
    [DataRow("\"BatchSize\": 3,", "\"BatchSize\": 65537,", "BatchSize must be from 1 to 65536")]
    [DataRow("\"Steps\": 4,", "\"Steps\": 10001,", "Sampling.Steps must be from 1 to 10000")]
    [DataRow("\"Eta\": 0,", "\"Eta\": 1.1,", "Sampling.Eta must be in [0, 1]")]
    [DataRow("\"Eta\": 0,", "\"Eta\": 1e999,", "Sampling.Eta")]
    [DataRow("\"GuidanceScale\": 1,", "\"GuidanceScale\": 1000.5,", "Sampling.GuidanceScale must be in [0, 1000]")]
    [DataRow("\"GuidanceScale\": 1,", "\"GuidanceScale\": 1e999,", "Sampling.GuidanceScale")]
    [DataRow("\"GuidanceIntervalHigh\": 1,", "\"GuidanceIntervalHigh\": 2,", "Sampling.GuidanceIntervalHigh")]
    [DataRow("\"GuidanceIntervalLow\": 0,", "\"GuidanceIntervalLow\": 1,", "Sampling.GuidanceIntervalLow")]
    [DataRow(
        "\"GuidanceIntervalLow\": 0,",
        "\"GuidanceIntervalLow\": 0, \"GuidanceSigmaLow\": 1,",
        "Sampling.GuidanceSigmaLow must be in formats from 1.6 on only")]
    [DataRow("\"Height\": 8,", "\"Height\": 1048576,", "must be at most 4194304 values")]
    [DataRow("\"Width\": 8,", "\"Width\": 1048576,", "must be at most 4194304 values")]
    [DataRow("\"EmbeddingSize\": 4,", "\"EmbeddingSize\": 16777216,", null)]
    [DataRow("\"EmbeddingSize\": 4,", "\"EmbeddingSize\": 16777217,", "Network.EmbeddingSize must be from 1")]
    [DataRow("\"Channels\": 1,", "\"Channels\": 16777217,", "Network.Channels must be from 1 to 16777216")]
    [DataRow("\"Format\": 3,", "\"Format\": 3000000000,", "Format")]
    public void Parse_OneNumberBeyondItsLimit_NamesIt(string old, string changed, string? message)
    {
        var json = Encoding.UTF8.GetString(Tiny.Description.ToJson());
        Assert.Contains(old, json);
        var bytes = Encoding.UTF8.GetBytes(json.Replace(old, changed, StringComparison.Ordinal));
        if (message is null) Assert.IsNotNull(ModelDescription.Parse(bytes));
        else Throws.Saying<FormatException>(() => ModelDescription.Parse(bytes), message);
    }

    private static bool IsAccepted(Options options, string what)
    {
        try
        {
            _ = Ml.ImageGeneration.Trainers.ConditionalDiffusion(options);
        }
        catch (ArgumentException)
        {
            return false;
        }

        AssertReadable(options.Describe(Labels, seed: ulong.MaxValue), what);
        return true;
    }

    private static void AssertReadable(ModelDescription description, string what)
    {
        var json = description.ToJson();
        try
        {
            Assert.AreSequenceEqual(json, ModelDescription.Parse(json).ToJson(), what);
        }
        catch (FormatException exception)
        {
            Assert.Fail($"{what} is accepted, but its file is not: {exception.Message}");
        }
    }

    private static T With<T>(T options, PropertyInfo property, object? value)
        where T : class
    {
        // The copy constructor of a record.
        var copy = (T)typeof(T).GetMethod("<Clone>$")!.Invoke(options, [])!;
        property.SetValue(copy, value);
        return copy;
    }

    /// <summary>Returns the values at and around the ends of ranges, of an option's type.</summary>
    private static IEnumerable<object?> Extremes(PropertyInfo property)
    {
        var type = Nullable.GetUnderlyingType(property.PropertyType) ?? property.PropertyType;
        var values = Values(type) ?? throw new AssertFailedException($"Say here what the extremes of {property} are.");
        return Nullable.GetUnderlyingType(property.PropertyType) is null ? values : values.Append(null);
    }

    private static IEnumerable<object?>? Values(Type type) => type switch
    {
        _ when type == typeof(int) => Ints.Cast<object?>(),
        _ when type == typeof(long) => [long.MinValue, -1L, 0L, 1L, long.MaxValue],
        _ when type == typeof(double) => Doubles.Cast<object?>(),
        _ when type == typeof(bool) => [false, true],
        _ when type == typeof(string) => [null, "", " ", "x", "\0", "\"\\\n", "☃", new string('x', 10_000)],
        _ when type == typeof(TimeSpan) => [TimeSpan.MinValue, TimeSpan.Zero, TimeSpan.MaxValue],
        _ when type == typeof(IReadOnlyList<int>) => Widths.Append(null),
        _ when type == typeof(IReadOnlyList<double>) => [null, Array.Empty<double>(), new[] { 0.001 }, new[] { 0.28 }],
        _ when type.IsEnum => [.. Enum.GetValues(type), Enum.ToObject(type, 99), Enum.ToObject(type, -1)],
        _ when type == typeof(InitialModel) => [null],
        _ when type == typeof(SamplingOptions) => [null, new SamplingOptions()],
        _ when type == typeof(CancellationToken) => [new CancellationToken(canceled: true)],
        _ when type == typeof(IProgress<TrainingProgress>) => [null],
        _ => null,
    };
}

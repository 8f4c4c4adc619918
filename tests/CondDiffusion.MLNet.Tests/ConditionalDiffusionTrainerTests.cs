using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;
using static CondDiffusion.MLNet.Tests.Support.Tiny;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests;

[TestClass]
public sealed class ConditionalDiffusionTrainerTests
{
    private static readonly MLContext Ml = new(seed: 1);

    [TestMethod]
    public void Constructor_EveryOptionOutOfRange_NamesAllAtOnce()
    {
        var exception = Assert.ThrowsExactly<ArgumentException>(() => Create(new()
        {
            LabelColumnName = " ",
            FeatureColumnName = "",
            OutputColumnName = null!,
            PixelsColumnName = "",
            Channels = 0,
            Height = 30,
            Width = 0,
            ChannelWidths = [1, 2],
            EmbeddingSize = 0,
            Timesteps = 0,
            Epochs = -1,
            BatchSize = 0,
            LearningRate = double.NaN,
            MovingAverageLengths = [0.1, 0.3],
            TimestepSampling = (TimestepSampling)9,
            NoiseLevelMean = double.NaN,
            NoiseLevelDeviation = 0,
            LabelSharing = -1,
            ShiftFraction = 1,
            RotationDegrees = -1,
            ScaleFraction = double.NaN,
            AugmentationFraction = 1,
            Precision = (Precision)9,
            GenerationBatchSize = 0,
            LabelDropout = 0,
            Sampling = new()
            {
                Sampler = (Sampler)9,
                Steps = 0,
                Eta = 1.5,
                Spacing = (StepSpacing)9,
                GuidanceScale = double.NaN,
                GuidanceSigmaLow = 0.6,
                GuidanceSigmaHigh = 0.5,
                GuidanceColumnName = " ",
                SeedColumnName = "",
                MissingLabels = (MissingLabelBehavior)9,
            },
        }));
        foreach (var part in new[]
        {
            "LabelColumnName must be a column name, but is \" \"",
            "FeatureColumnName",
            "OutputColumnName",
            "PixelsColumnName",
            "Channels must be from 1 to 16777216, but is 0",
            "Height must be a positive multiple of 4, but is 30",
            "Width must be a positive multiple of 4, but is 0",
            "ChannelWidths must be 1 to 4 multiples of 32 from 32 to 16777216, but is [1, 2]",
            "EmbeddingSize",
            "Timesteps",
            "Epochs must be at least 1, but is -1",
            "BatchSize",
            "LearningRate must be positive and finite, but is NaN",
            "MovingAverageLengths must be from 0.001 to 0.28, but is 0.3",
            "ValidationFraction must be positive, to choose among 2 moving averages, but is 0",
            "TimestepSampling must be a value of its type, but is 9",
            "NoiseLevelMean must be finite, but is NaN",
            "NoiseLevelDeviation must be positive and finite, but is 0",
            "LabelSharing must be finite and not negative, but is -1",
            "ShiftFraction must be in [0, 1), but is 1",
            "RotationDegrees must be finite and not negative, but is -1",
            "ScaleFraction must be in [0, 1), but is NaN",
            "AugmentationFraction must be in [0, 1), but is 1",
            "Precision",
            "GenerationBatchSize",
            "Sampling.Sampler must be",
            "Sampling.Steps must be from 1 to 10000, but is 0",
            "Sampling.Eta must be in [0, 1], but is 1.5",
            "Sampling.Spacing must be",
            "Sampling.GuidanceScale must be in [0, 1000], but is NaN",
            "Sampling.GuidanceSigmaHigh must be null, or finite and above GuidanceSigmaLow, but is 0.5",
            "Sampling.GuidanceColumnName must be a column name",
            "Sampling.SeedColumnName must be a column name, but is \"\"",
            "Sampling.MissingLabels must be",
            "LabelDropout must be above 0 in training for guidance",
        }) Assert.Contains(part, exception.Message);
    }

    [TestMethod]
    [DataRow(6, 8, "Height")]
    [DataRow(8, 6, "Width")]
    [DataRow(65536, 65536, "Channels x Height x Width must be at most")]
    [DataRow(-4, 8, "Height")]
    public void Constructor_ImpossibleSize_NamesIt(int height, int width, string part) =>
        Refuses(Options with { Height = height, Width = width }, part);

    [TestMethod]
    [DataRow(0.0)]
    [DataRow(-1.0)]
    [DataRow(double.PositiveInfinity)]
    public void Constructor_LearningRateOutOfRange_NamesIt(double rate) =>
        Refuses(Options with { LearningRate = rate }, "LearningRate");

    [TestMethod]
    public void Constructor_SamplingNullOrBeyondItsRange_NamesIt()
    {
        RefusesSampling(null, "Sampling must be given");
        RefusesSampling(
            new() { GuidanceSigmaLow = double.NaN }, "GuidanceSigmaLow must be finite and not negative, but is NaN");
        RefusesSampling(new() { GuidanceScale = -1 }, "GuidanceScale");
        RefusesSampling(new() { Eta = -0.1 }, "Eta");

        static void RefusesSampling(SamplingOptions? sampling, string part) =>
            Refuses(Options with { Sampling = sampling! }, part);
    }

    [TestMethod]
    public void Constructor_TwoOutputsOfOneName_NamesThem() =>
        Refuses(Options with { PixelsColumnName = "GeneratedImage" }, "another column than OutputColumnName");

    [TestMethod]
    public void Constructor_NoOptions_Throws() =>
        Assert.ThrowsExactly<ArgumentNullException>(() => Create(options: null!));

    [TestMethod]
    public void Fit_ColumnMissingOrOfAnotherType_NamesRoleAndColumn()
    {
        RefusesColumns(new { Pixels = new float[64] }, "Could not find label column 'Label'");
        RefusesColumns(new { Label = "cat", Pixels = new float[64] }, "label column 'Label'", "key");
        RefusesColumns(new { Label = 3u, Pixels = new float[64] }, "label column 'Label'", "key");
        RefusesColumns(new Tiny.Row(), "Could not find feature column 'Pixels'");
        RefusesColumns(new Wrong<float>(), "feature column 'Pixels'", "vector of Single");

        // Without [VectorType], a vector has no known size.
        RefusesColumns(new Wrong<float[]> { Pixels = new float[64] }, "feature column 'Pixels'", "known size");
        RefusesColumns(new Wrong<double[]> { Pixels = new double[64] }, "feature column 'Pixels'", "Double");
    }

    [TestMethod]
    public void Fit_SeedColumnOfAnotherType_IsFoundBeforeTheTraining()
    {
        // The cancelled token would end everything that comes after the check.
        var options = Options with
        {
            Sampling = new() { SeedColumnName = "Label" },
            CancellationToken = new(canceled: true),
        };

        var message = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Fit(Ml, options)).Message;
        Assert.Contains("seed column 'Label'", message);
        Assert.Contains("Int64", message);
    }

    [TestMethod]
    public void Fit_GuidanceColumnOfAnotherType_IsFoundBeforeTheTraining()
    {
        var sampling = new SamplingOptions { GuidanceColumnName = "Pixels" };
        var options = Options with { Sampling = sampling, CancellationToken = new(canceled: true) };

        var message = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Fit(Ml, options)).Message;
        Assert.Contains("guidance column 'Pixels': expected Single, got Vector of Single", message);
    }

    [TestMethod]
    public void Fit_VectorsOfAnotherSize_NamesBothSizes() =>
        RefusesRows(Ml.Data.LoadFromEnumerable([new Short()]), "'Pixels' must have 64 values, but has 63");

    [TestMethod]
    [DataRow(1.01f)]
    [DataRow(-1.01f)]
    [DataRow(float.NaN)]
    [DataRow(float.PositiveInfinity)]
    public void Fit_ValueOutOfRange_NamesRowAndValue(float value)
    {
        var images = Images.ToArray();
        images[7].Pixels![63] = value;
        RefusesRows(
            Ml.Data.LoadFromEnumerable(images),
            "row 7", "'Pixels' must have values in [-1, 1]", $"{value}", "NormalizeImages");
    }

    [TestMethod]
    public void Fit_LabelMissing_NamesTheRow()
    {
        var images = Images.ToArray();
        images[3].Label = 2; // the keys are 0 and 1, so that this label is missing
        RefusesRows(Ml.Data.LoadFromEnumerable(images), "row 3", "'Label' has no label");
    }

    [TestMethod]
    public void Fit_NoRows_SaysSo() => RefusesRows(Ml.Data.LoadFromEnumerable(Array.Empty<Image>()), "no rows");

    [TestMethod]
    public void Fit_ImagesButTwoChannels_SaysSo()
    {
        var data = Ml.Data.LoadFromEnumerable([new ImageRow()]);
        RefusesRows(data, Options with { Channels = 2 }, "1 or 3 channels", "Channels is 2");
    }

    [TestMethod]
    public void Fit_OneLabel_Works()
    {
        var data = Ml.Data.LoadFromEnumerable(Images.Where(image => image.Label == 0));
        var keys = Ml.Transforms.Conversion.MapValueToKey("Only", "Label").Fit(data).Transform(data);
        using var model = Create(Options with { LabelColumnName = "Only" }).Fit(keys);

        // The values of these keys are keys themselves, which the model does not keep.
        Assert.HasCount(1, model.Generate(["1"]));
    }

    [TestMethod]
    public void Fit_OneRow_Works()
    {
        using var model = Fit(Ml, images: Images.Take(1));
        Assert.HasCount(1, model.Generate(["2"]));
    }

    [TestMethod]
    public void Fit_GpuAskedForAndNone_SaysSoUnlessItMayFallBack()
    {
        if (cuda.is_available()) Assert.Inconclusive("This machine has a GPU.");
        var ml = new MLContext(seed: 1) { GpuDeviceId = 0, FallbackToCpu = false };
        var message = Assert.ThrowsExactly<InvalidOperationException>(() => Fit(ml)).Message;
        Assert.Contains("GpuDeviceId is 0", message);
        Assert.Contains("FallbackToCpu", message);

        using var model = Fit(new MLContext(seed: 1) { GpuDeviceId = 0, FallbackToCpu = true });
        var file = ModelZip.Save(Ml, model);
        var loading = Assert.Throws<Exception>(() => ModelZip.Load(ml, file)).GetBaseException();
        Assert.IsInstanceOfType<InvalidOperationException>(loading);
        Assert.Contains("GpuDeviceId is 0", loading.Message);
    }

    private static ConditionalDiffusionTrainer Create(ConditionalDiffusionTrainer.Options options) =>
        Ml.ImageGeneration.Trainers.ConditionalDiffusion(options);

    private static void Refuses(ConditionalDiffusionTrainer.Options options, string part) =>
        Assert.Contains(part, Assert.ThrowsExactly<ArgumentException>(() => Create(options)).Message);

    private static void RefusesColumns<T>(T row, params string[] parts) where T : class
    {
        var data = Ml.Data.LoadFromEnumerable([row]);
        var message = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => Create(Options).Fit(data)).Message;
        foreach (var part in parts) Assert.Contains(part, message);
    }

    private static void RefusesRows(IDataView data, params string[] parts) => RefusesRows(data, Options, parts);

    private static void RefusesRows(IDataView data, ConditionalDiffusionTrainer.Options options, params string[] parts)
    {
        var before = TensorAssert.Count();
        var message = Assert.ThrowsExactly<InvalidOperationException>(() => Create(options).Fit(data)).Message;
        foreach (var part in parts) Assert.Contains(part, message);
        Assert.AreEqual(before, Tensor.TotalCount);
    }

    private sealed class Wrong<T>
    {
        [KeyType(2)]
        public uint Label { get; set; }

        public T? Pixels { get; set; }
    }

    private sealed class Short
    {
        [KeyType(2)]
        public uint Label { get; set; }

        [VectorType(63)]
        public float[] Pixels { get; set; } = new float[63];
    }

    private sealed class ImageRow
    {
        [KeyType(2)]
        public uint Label { get; set; }

        [Microsoft.ML.Transforms.Image.ImageType(8, 8)]
        public MLImage? Pixels { get; set; }
    }
}

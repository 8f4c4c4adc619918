using CondDiffusion.Examples;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Tests.Examples;

/// <summary>The model that comes with the program, which was trained on MNIST.</summary>
[TestClass]
public sealed class ShippedModelTests
{
    private const int Pixels = 28 * 28;

    private static readonly MLContext Ml = new(seed: 1);

    /// <summary>
    /// The mean test image of the right label is the nearest one for 82 % of real digits, and would be for 10 % of
    /// anything else.
    /// </summary>
    [TestMethod]
    public void Generate_Digits_LookLikeThoseOfTheirLabels()
    {
        using var trained = ModelFile.LoadGenerator(Ml, ModelFile.Shipped);
        using var model = Ml.ImageGeneration.WithSampling(trained, trained.Sampling with { Steps = 10 });
        string[] labels = [.. Enumerable.Range(0, 50).Select(i => $"{i % 10}")];
        var means = ReadMeans();

        var images = Levels(model.Generate(labels, [.. Enumerable.Range(0, 50)]));

        var right = images.Index().Count(image => $"{Nearest(image.Item)}" == labels[image.Index]);
        Assert.IsGreaterThanOrEqualTo(33, right);

        int Nearest(byte[] image) => means.Index()
            .MinBy(mean => mean.Item.Zip(image, (a, b) => (double)(a - b) * (a - b)).Sum()).Index;
    }

    [TestMethod]
    [DataRow(Sampler.DpmSolver, 20)]
    [DataRow(Sampler.Ddim, 8)]
    public void SaveAsOnnx_EachSampler_GivesTheSameDigitsWithoutLibtorch(Sampler sampler, int steps)
    {
        using var directory = new TemporaryDirectory();
        var file = directory.File("digits.onnx");
        using var trained = ModelFile.LoadGenerator(Ml, ModelFile.Shipped);
        using var model = Ml.ImageGeneration.WithSampling(trained, trained.Sampling with
        {
            Sampler = sampler,
            Steps = steps,
            Precision = Precision.Float32,
        });
        Ml.ImageGeneration.SaveAsOnnx(model, file);

        using var generator = OnnxImageGenerator.Load(file);
        string[] labels = ["3", "1", "4", "1"];
        long[] seeds = [1, 2, 3, 4];
        Tiny.AreClose(Levels(model.Generate(labels, seeds)), Levels(generator.Generate(labels, seeds)));
    }

    private static byte[][] ReadMeans()
    {
        using var stream = typeof(ShippedModelTests).Assembly.GetManifestResourceStream("mnist-test-means.bin")!;
        var bytes = new byte[10 * Pixels];
        stream.ReadExactly(bytes);
        return [.. bytes.Chunk(Pixels)];
    }

    /// <summary>Returns the grey levels of images, whose pixels have four equal channels.</summary>
    private static byte[][] Levels(IEnumerable<MLImage> images) => [.. images.Select(image =>
    {
        using (image) return image.Pixels.ToArray().Where((_, i) => i % 4 == 0).ToArray();
    })];
}

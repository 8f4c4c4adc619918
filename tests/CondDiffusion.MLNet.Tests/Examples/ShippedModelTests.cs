using CondDiffusion.Examples;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Tests.Examples;

/// <summary>The models that come with the program, which were trained on MNIST and Fashion-MNIST.</summary>
[TestClass]
public sealed class ShippedModelTests
{
    private const int Pixels = 28 * 28;

    private static readonly MLContext Ml = new(seed: 1);

    /// <summary>
    /// The mean test image of the right label is the nearest one for 82 % of real digits and 68 % of real garments, and
    /// would be for 10 % of anything else.
    /// </summary>
    [TestMethod]
    [DataRow("mnist", "mnist", 33)]
    [DataRow("mnist-undistilled", "mnist", 33)]
    [DataRow("fashion-mnist", "fashion-mnist", 27)]
    public void Generate_Labels_LookLikeRealImagesOfThem(string name, string data, int least)
    {
        using var model = ModelFile.LoadGenerator(Ml, Find(name));
        string[] labels = [.. Enumerable.Range(0, 50).Select(i => $"{i % 10}")];
        var means = ReadMeans(data);

        var images = Levels(model.Generate(labels, [.. Enumerable.Range(0, 50)]));

        var right = images.Index().Count(image => $"{Nearest(image.Item)}" == labels[image.Index]);
        Assert.IsGreaterThanOrEqualTo(least, right);

        int Nearest(byte[] image) => means.Index()
            .MinBy(mean => mean.Item.Zip(image, (a, b) => (double)(a - b) * (a - b)).Sum()).Index;
    }

    /// <summary>Four evaluations give nearly the images that the model before its distillation gives in ten.</summary>
    [TestMethod]
    public void Generate_DistilledModel_GivesTheImagesOfTheOther()
    {
        using var distilled = ModelFile.LoadGenerator(Ml, Find("mnist"));
        using var undistilled = ModelFile.LoadGenerator(Ml, Find("mnist-undistilled"));
        string[] labels = [.. Enumerable.Range(0, 10).Select(i => $"{i}")];
        long[] seeds = [.. Enumerable.Range(0, 10)];

        var images = Levels(distilled.Generate(labels, seeds));
        var others = Levels(undistilled.Generate(labels, seeds));

        var differences = images.Zip(others, (a, b) => a.Zip(b, (x, y) => Math.Abs(x - y)).Average());
        Assert.IsLessThan(8, differences.Average(), string.Join(", ", differences.Select(value => $"{value:F1}")));
    }

    [TestMethod]
    [DataRow("mnist", Sampler.Ddim, 4)]
    [DataRow("mnist-undistilled", Sampler.DpmSolver, 20)]
    [DataRow("mnist-undistilled", Sampler.Ddim, 8)]
    [DataRow("fashion-mnist", Sampler.DpmSolver, 8)]
    [DataRow("fashion-mnist", Sampler.Ddim, 8)]
    public void SaveAsOnnx_EachSampler_GivesTheSameImagesWithoutLibtorch(string name, Sampler sampler, int steps)
    {
        using var directory = new TemporaryDirectory();
        var file = directory.File("model.onnx");
        using var trained = ModelFile.LoadGenerator(Ml, Find(name));
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

    private static string Find(string name) => Path.Combine(AppContext.BaseDirectory, "models", $"{name}.zip");

    private static byte[][] ReadMeans(string name)
    {
        using var stream = typeof(ShippedModelTests).Assembly.GetManifestResourceStream($"{name}-test-means.bin")!;
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

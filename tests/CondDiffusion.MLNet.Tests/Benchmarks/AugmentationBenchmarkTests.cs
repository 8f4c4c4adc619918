using CondDiffusion.MLNet.Benchmarks;
using CondDiffusion.MLNet.Benchmarks.Augmentation;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;

namespace CondDiffusion.MLNet.Tests.Benchmarks;

[TestClass]
public sealed class AugmentationBenchmarkTests
{
    private const int Pixels = 28 * 28;
    private const string Results = "benchmarks/results/augmentation.jsonl";

    [TestMethod]
    public void Run_Again_MeasuresOnlyWhatIsMissing()
    {
        using var directory = new DocsDirectory();
        File.Copy(Path.Combine(Repository.Root, "docs", "augmentation.md"), Create("docs") + "/augmentation.md");
        WriteDigits(Create("data/mnist"), perLabel: 3);

        Run("nothing,smote");
        var first = File.ReadAllText(Results);
        Run("nothing,generated,affine-generated-half,smote");
        Assert.StartsWith(first, File.ReadAllText(Results));
        var rows = JsonLines.ReadAll<StudyRow>(Results);
        Assert.AreSequenceEqual(
            ["nothing", "smote", "generated", "affine-generated-half"], rows.Select(row => row.Arm));
        Assert.IsTrue(rows.All(row => row.Recalls is { Length: 10 } && row.MeanRecall is >= 0 and <= 1));
        Assert.AreSequenceEqual([false, false, true, true], rows.Select(row => row.GeneratorMinutes > 0));
        var images = GeneratedImageFile.Read(Directory.GetFiles("benchmarks/cache", "*.images").Single());
        Assert.AreSequenceEqual([8, 9, 9], images.Select(image => image.Label).Order());
        var withoutRows = StudyReport.Update(Repository.Read("docs/augmentation.md"), [], []);
        Assert.AreEqual(withoutRows, File.ReadAllText("docs/augmentation.md"), "a trial is not written");

        var quality = JsonLines.ReadAll<GeneratedQuality>("benchmarks/results/augmentation-images.jsonl").Single();
        Assert.AreSequenceEqual([8, 9], quality.LabelAccuracy.Index().Where(x => x.Item >= 0).Select(x => x.Index));
        Assert.AreEqual(8, quality.Authenticity.Index().Single(label => label.Item >= 0).Index, "9 has one real image");
        Assert.IsTrue(quality.TestAuthenticity[8] < 0.34, "two of the three test images are real ones");

        using var generator = (ConditionalDiffusionTransformer)new MLContext().Model.Load(
            Directory.GetFiles("benchmarks/cache", "augmentation*.zip").Single(), out _);
        Assert.AreSequenceEqual(Enumerable.Range(0, 10).Select(label => $"{label}"), generator.LabelValues!);

        static void Run(string arms) => AugmentationBenchmark.Run(new(
            [
                "--arms", arms, "--counts", "3,3,3,3,3,3,3,3,2,1", "--steps", "1", "--generator-epochs", "1", "--seeds",
                "1",
            ],
            "--arms", "--counts", "--steps", "--generator-epochs", "--seeds"));
    }

    [TestMethod]
    public void Draw_Seed_ChoosesTheImagesOfEachLabel()
    {
        using var directory = new TemporaryDirectory();
        WriteDigits(directory.Path, perLabel: 6);
        var data = new MLContext().Data.LoadMnist(directory.Path);
        int[] counts = [6, 5, 4, 3, 2, 1, 1, 1, 1, 1];
        var images = StudyImages.Draw(data, counts, seed: 1);
        Assert.AreSequenceEqual(
            counts, images.CountBy(image => image.Label).OrderBy(label => label.Key).Select(label => label.Value));
        Assert.IsTrue(images.All(image => image.Levels.All(level => level % 10 == image.Label)));
        Assert.AreSequenceEqual(Numbers(1), Numbers(1));
        Assert.AreNotSequenceEqual(Numbers(1), Numbers(2));

        IEnumerable<byte> Numbers(int seed) => StudyImages.Draw(data, counts, seed).Select(image => image.Levels[0]);
    }

    [TestMethod]
    public void Recall_Predictions_IsTheFractionOfEachLabelThatIsRight() =>
        Assert.AreSequenceEqual([0.5, 0.6], Study.Recall([0, 1, 1, 0, 1, 1, 1], [0, 1, 1, 1, 0, 0, 1]));

    /// <summary>The test images of MNIST begin with a 7, a 2 and a 1.</summary>
    [TestMethod]
    public void Recall_LabelsInAnyOrder_AreInTheirOwn() =>
        Assert.AreSequenceEqual([0.5, 1.0, 0.0], Study.Recall([2, 0, 1, 0], [1, 0, 1, 2]));

    [TestMethod]
    public void ClassWeights_LabelsOfTenAndOne_CountEqually()
    {
        using var directory = new TemporaryDirectory();
        WriteDigits(directory.Path, perLabel: 10);
        var data = new MLContext().Data.LoadMnist(directory.Path);
        var protocol = StudyProtocol.Create("mnist", "10,1,1,1,1,1,1,1,1,1");
        using var study = new Study(protocol, 1, data, new(() => []));
        var images = StudyArm.Find("class-weights").Portions(study).Single().Images;
        Assert.AreEqual(1, images.Average(image => image.Weight), 1e-6);
        foreach (var label in images.GroupBy(image => image.Image.Label))
            Assert.AreEqual(1.9, label.Sum(image => image.Weight), 1e-6, "19 images of ten labels");
    }

    /// <summary>
    /// Writes training images, and equal test images. The last digit of an image's levels is its label.
    /// </summary>
    private static void WriteDigits(string directory, int perLabel)
    {
        var count = 10 * perLabel;
        var images = IdxWriter.Bytes(
            2051, [(uint)count, 28, 28], [.. Enumerable.Range(0, count * Pixels).Select(i => (byte)(i / Pixels))]);
        var labels = IdxWriter.Bytes(2049, [(uint)count], [.. Enumerable.Range(0, count).Select(i => (byte)(i % 10))]);
        foreach (var split in new[] { "train", "t10k" })
        {
            File.WriteAllBytes(Path.Combine(directory, IdxWriter.Images.Replace("train", split)), images);
            File.WriteAllBytes(Path.Combine(directory, IdxWriter.Labels.Replace("train", split)), labels);
        }
    }

    private static string Create(string directory) => Directory.CreateDirectory(directory).FullName;
}

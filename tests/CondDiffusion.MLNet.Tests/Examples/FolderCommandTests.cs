using System.Text.Json;
using CondDiffusion.Examples;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Tests.Examples;

/// <summary>The commands that take the name of a data set, with a folder of images in its place.</summary>
[TestClass]
public sealed class FolderCommandTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [TestMethod]
    public void TrainAndGenerate_Folder_TakeItsSizeColorsAndLabels()
    {
        var photos = _directory.File("photos");
        PhotoFolder.Draw(photos, cats: 1, dogs: 1);
        var model = _directory.File("model.zip");

        var printed = Printed.By(() => TrainCommand.Run(
            ["--data", photos, "--size", "8x4", "--epochs", "1", "--out", model]));
        GenerateCommand.Run(
            ["--model", model, "--labels", "dog", "--count", "1", "--steps", "1", "--out", _directory.File("out")]);

        Assert.Contains("The first image is colored, so --channels is 3.", printed);
        using var image = MLImage.CreateFromFile(_directory.File("out/dog-0.png"));
        Assert.AreEqual(new ImageForm(8, 4, 3), ImageForm.Of(image));
    }

    [TestMethod]
    public void Train_BrokenAndGeneratedImages_AreLeftOut()
    {
        var photos = _directory.File("photos");
        PhotoFolder.Draw(photos, cats: 2, dogs: 2);
        var broken = Path.Combine(photos, "cat/0.png");
        File.WriteAllBytes(broken, File.ReadAllBytes(broken)[..20]);
        var distilled = _directory.File("distilled.zip");
        string[] options = ["--data", photos, "--size", "8", "--epochs", "1", "--out", _directory.File("model.zip")];
        Throws.Saying<FormatException>(() => TrainCommand.Run(options), broken);
        Assert.Contains("dog, cat", Train("--skip-broken"));

        File.WriteAllText(
            Path.Combine(photos, "metadata.csv"),
            "file_name,label,is_generated\ndog/0.png,dog,False\ncat/0.png,cat,True\ndog/1.png,dog,False\n");
        Assert.DoesNotContain("cat", Train());

        // The teacher knows no cats, which would be an error.
        Printed.By(() => DistillCommand.Run(
            ["--model", options[^1], "--data", photos, "--steps", "2", "--epochs", "1", "--out", distilled]));
        Assert.IsTrue(File.Exists(distilled));

        File.WriteAllText(Path.Combine(photos, "metadata.csv"), "file_name,label,is_generated\ndog/0.png,dog,True\n");
        Throws.Saying<UsageException>(() => TrainCommand.Run(options), photos, "marked as generated");

        string Train(params string[] more)
        {
            Printed.By(() => TrainCommand.Run([.. options, .. more]));
            using var model = ModelFile.LoadGenerator(new(), options[^1]);
            return string.Join(", ", model.LabelValues!.OrderDescending());
        }
    }

    [TestMethod]
    public void Train_ResidualNetworkAndGuidance_AreThoseOfTheModel()
    {
        var photos = _directory.File("photos");
        PhotoFolder.Draw(photos, cats: 1, dogs: 1);
        var file = _directory.File("model.zip");

        Printed.By(() => TrainCommand.Run(
        [
            "--data", photos, "--network", "residual", "--size", "8", "--epochs", "1", "--guidance", "1.25",
            "--out", file,
        ]));

        using var model = ModelFile.LoadGenerator(new(), file);
        Assert.AreEqual(1.25, model.Sampling.GuidanceScale);
        Assert.AreEqual(NetworkArchitecture.Residual, ((ITrainedModel)model).Description.Network.Architecture);
    }

    [TestMethod]
    public void Distill_Options_AreThoseOfTheTraining()
    {
        var photos = _directory.File("photos");
        PhotoFolder.Draw(photos, cats: 2, dogs: 2);
        var teacher = _directory.File("teacher.zip");
        Printed.By(() => TrainCommand.Run(["--data", photos, "--size", "8", "--epochs", "1", "--out", teacher]));

        var levels = Distill("--optimizer", "adam", "--learning-rate", "1e-2");

        Tiny.AreClose([levels], [Distill("--optimizer", "adam", "--learning-rate", "1e-2")]);
        IsFar(Distill("--optimizer", "adam"));
        IsFar(Distill("--learning-rate", "1e-2"));

        byte[] Distill(params string[] options)
        {
            var file = _directory.File($"{Guid.NewGuid():N}.zip");
            Printed.By(() => DistillCommand.Run(
                ["--model", teacher, "--data", photos, "--steps", "2", "--epochs", "3", "--out", file, .. options]));
            using var model = ModelFile.LoadGenerator(new(), file);
            Assert.AreEqual(2, model.Sampling.Steps);
            using var image = model.Generate(["dog"])[0];
            return image.Pixels.ToArray();
        }

        void IsFar(byte[] others) =>
            Assert.IsGreaterThan(2, others.Zip(levels, (a, b) => Math.Abs(a - b)).Max());
    }

    [TestMethod]
    public void Train_OtherChannels_AreRefused() => Throws.Saying<UsageException>(
        () => TrainCommand.Run(["--data", "digits", "--channels", "2", "--out", _directory.File("model.zip")]),
        "--channels must be 1 or 3, but is '2'");

    /// <summary>One of the cats was generated: it is no training image, but one of those that are measured.</summary>
    [TestMethod]
    public void Evaluate_Folder_ComparesItsImagesWithItsTestImages()
    {
        var photos = _directory.File("photos");
        PhotoFolder.Draw(Path.Combine(photos, "train"), cats: 7, dogs: 6);
        PhotoFolder.Draw(Path.Combine(photos, "test"), cats: 6, dogs: 6);
        string[] lines =
        [
            "file_name,label,is_generated",
            .. Enumerable.Range(0, 7).Select(i => $"cat/{i}.png,cat,{i == 6}"),
            .. Enumerable.Range(0, 6).Select(i => $"dog/{i}.png,dog,False"),
        ];
        File.WriteAllLines(Path.Combine(photos, "train/metadata.csv"), lines);

        var printed = Printed.By(() => EvaluateCommand.Run(
        [
            "--data", photos, "--images", photos, "--trainings", "0", "--json",
            "--classifier", _directory.File("classifier.zip"),
        ]));

        var metrics = JsonDocument.Parse(printed).RootElement.GetProperty("Metrics");
        Assert.AreEqual(13, metrics.GetProperty("GeneratedCount").GetInt32());
        Assert.AreEqual(12, metrics.GetProperty("RealCount").GetInt32());
        Assert.AreEqual(12, metrics.GetProperty("TrainingCount").GetInt32());
    }

    [TestMethod]
    public void NameClassifier_FolderThatChanges_IsAnother()
    {
        var ml = new MLContext();
        var form = new ImageForm(8, 4, 3);
        var none = ml.Data.LoadFromEnumerable<Tiny.Row>([]);
        Assert.AreEqual("classifier-mnist-8x4x3", EvaluateCommand.NameClassifier("mnist", none, form));

        var photos = _directory.File("photos");
        PhotoFolder.Draw(photos, cats: 1, dogs: 1);
        var before = Name();
        Assert.AreEqual(before, Name());
        PhotoFolder.Draw(photos, cats: 1, dogs: 2);
        Assert.AreNotEqual(before, Name());

        string Name() => EvaluateCommand.NameClassifier(photos, ml.Data.LoadImageFolder(photos), form);
    }

    /// <summary>The labels of such a model are numbers, which nothing can be compared with.</summary>
    [TestMethod]
    public void GenerateAndEvaluate_ModelOfKeysWithoutValues_SaySo()
    {
        var ml = new MLContext();
        var file = _directory.File("keys.zip");
        using (var model = Tiny.Create(ml, Tiny.Description with { Labels = new(2, null) }))
            ml.Model.Save(model, null, file);
        var photos = _directory.File("photos");
        PhotoFolder.Draw(photos, cats: 1, dogs: 1);

        Throws.Saying<UsageException>(
            () => GenerateCommand.Run(["--model", file, "--out", _directory.File("out")]),
            "Option --labels is missing: the model's labels are numbers of keys");
        Printed.By(() => GenerateCommand.Run(
            ["--model", file, "--labels", "2", "--count", "1", "--out", _directory.File("out")]));
        Assert.IsTrue(File.Exists(_directory.File("out/2-0.png")));
        Throws.Saying<InvalidOperationException>(
            () => EvaluateCommand.Run(["--model", file, "--data", photos]), file, "numbers of keys");
    }

    [TestMethod]
    public void Of_GreyAndColoredImages_HaveOneAndThreeChannels()
    {
        using var grey = TestImages.Plain(2, 3, 7, 7, 7);
        using var colored = TestImages.Plain(2, 3, 7, 7, 8);
        Assert.AreEqual(new ImageForm(2, 3, 1), ImageForm.Of(grey));
        Assert.AreEqual(new ImageForm(2, 3, 3), ImageForm.Of(colored));
    }

    [TestMethod]
    public void Load_WrongNamesAndFolders_AreNamed()
    {
        var ml = new MLContext();
        Throws.Saying<UsageException>(
            () => DataSet.Load(ml, "dogs", null, option: "--images"), "--images", "a folder of images", "'dogs'");
        Throws.Saying<UsageException>(() => DataSet.Load(ml, _directory.Path, "data"), "--data-dir is for named");

        PhotoFolder.Draw(_directory.Path, cats: 1, dogs: 0);
        Throws.Saying<DirectoryNotFoundException>(
            () => DataSet.Load(ml, _directory.Path, null, MnistSplit.Test), "'test'", _directory.Path, "found cat");
    }

    [TestMethod]
    public void Load_NamedDataSet_TakesTheImagesOfTheSplit()
    {
        IdxWriter.WriteSet(_directory, rows: 3);
        File.WriteAllBytes(_directory.File(IdxWriter.Images.Replace("train", "t10k")), IdxWriter.ImageBytes(2));
        File.WriteAllBytes(_directory.File(IdxWriter.Labels.Replace("train", "t10k")), IdxWriter.LabelBytes(2));
        var ml = new MLContext();
        foreach (var name in new[] { "mnist", "fashion-mnist" })
        {
            Assert.AreEqual(3, DataSet.Load(ml, name, _directory.Path).GetRowCount());
            Assert.AreEqual(2, DataSet.Load(ml, name, _directory.Path, MnistSplit.Test).GetRowCount());
        }
    }

    [TestMethod]
    public void From_TextsThatNoFileCanHaveAsItsName_AreNames()
    {
        Assert.AreEqual("a-b.png", FileName.From("a/b.png"));
        Assert.AreEqual("..-photos", FileName.From("../photos/"));
    }
}

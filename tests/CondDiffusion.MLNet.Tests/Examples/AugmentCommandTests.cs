using System.Text.Json;
using CondDiffusion.Examples;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Tests.Examples;

/// <summary>Augments a folder of four cats and two dogs, with a model that has hardly been trained.</summary>
[TestClass]
public sealed class AugmentCommandTests : IDisposable
{
    private static readonly TemporaryDirectory Models = new();

    private readonly TemporaryDirectory _directory = new();
    private readonly string _photos;
    private readonly string _out;

    public AugmentCommandTests()
    {
        _photos = _directory.File("photos");
        _out = _directory.File("out");
        PhotoFolder.Draw(_photos, cats: 4, dogs: 2);
    }

    private static string Model => Models.File("tiny.zip");

    [ClassInitialize]
    public static void Train(TestContext _)
    {
        using var directory = new TemporaryDirectory();
        PhotoFolder.Draw(directory.Path, cats: 1, dogs: 1);
        var ml = new MLContext(seed: 1);
        TrainCommand.Train(ml, ml.Data.LoadImageFolder(directory.Path), Model, Tiny.Options with { Channels = 3 });
    }

    [ClassCleanup]
    public static void DeleteModels() => Models.Dispose();

    public void Dispose() => _directory.Dispose();

    [TestMethod]
    public void Run_Balance_WritesRealAndGeneratedImagesThatCanBeTold()
    {
        var result = RunJson("--balance", "--seed", "5");

        Assert.AreEqual((4, 0, 0, 0), Counts(result, "cat"));
        Assert.AreEqual((2, 2, 0, 0), Counts(result, "dog"));
        Assert.AreEqual(8, result.GetProperty("Written").GetInt32());
        var lines = File.ReadAllLines(Path.Combine(_out, "metadata.csv"));
        Assert.AreEqual("file_name,label,seed,model,is_generated", lines[0]);
        Assert.HasCount(2, lines.Where(line => line.EndsWith(",dog,5,tiny.zip,True", StringComparison.Ordinal)));
        Assert.HasCount(2, lines.Where(line => line.EndsWith(",dog,,,False", StringComparison.Ordinal)));
        Assert.HasCount(4, lines.Where(line => line.EndsWith(",cat,,,False", StringComparison.Ordinal)));

        // A tool that knows nothing but directories of labels.
        var sizes = Directory.GetFiles(Path.Combine(_out, "dog")).Select(file =>
        {
            using var image = MLImage.CreateFromFile(file);
            return (image.Height, image.Width);
        });
        Assert.AreSequenceEqual([(8, 8), (8, 8), (12, 10), (12, 10)], sizes.Order());
    }

    [TestMethod]
    public void Run_OnItsOwnOutput_CountsAllImagesAsReal()
    {
        RunJson("--balance");
        var more = _directory.File("more");
        RunIn(_out, more, "--at-least", "5");

        var lines = File.ReadAllLines(Path.Combine(more, "metadata.csv"));
        Assert.HasCount(8, lines.Where(line => line.EndsWith(",,,False", StringComparison.Ordinal)));
        Assert.HasCount(2, lines.Where(line => line.EndsWith(",1,tiny.zip,True", StringComparison.Ordinal)));

        // The new images come from other noise, though the seed is the same.
        var withCopies = _directory.File("with-copies");
        RunIn(_out, withCopies, "--at-least", "5", "--copy-distance", "0");
        var dogs = Directory.GetFiles(Path.Combine(withCopies, "dog"));
        Assert.HasCount(5, dogs.Select(file => Convert.ToHexString(File.ReadAllBytes(file))).Distinct());
    }

    [TestMethod]
    public void Run_StoppedAndRunAgain_MakesOnlyWhatIsMissing()
    {
        RunJson("--balance");
        var file = Directory.GetFiles(Path.Combine(_out, "dog")).Max()!; // the last row is a generated one
        var first = File.ReadAllBytes(file);
        File.Delete(file);

        Assert.AreEqual(1, RunJson("--balance").GetProperty("Written").GetInt32());
        Assert.AreSequenceEqual(first, File.ReadAllBytes(file));
        Throws.Saying<InvalidOperationException>(
            () => RunJson("--balance", "--seed", "2"), "metadata.csv", "save to another folder");
    }

    [TestMethod]
    public void Run_GeneratedOnly_LeavesOutRealImages()
    {
        var printed = Printed.By(() => Run("--at-least", "5", "--generated-only"));

        Assert.Contains("       4         1         0         0  cat\n", printed.ReplaceLineEndings("\n"));
        Assert.Contains("       2         3         0         0  dog\n", printed.ReplaceLineEndings("\n"));
        Assert.Contains($"Wrote 4 images to {_out}.", printed);
        string[] labels = [.. new MLContext().Data.LoadImageFolder(_out).GetColumn<string>("Label").Order()];
        Assert.AreSequenceEqual(["cat", "dog", "dog", "dog"], labels);
    }

    [TestMethod]
    public void Run_PerReal_IsARatio() =>
        Assert.AreEqual((2, 3, 0, 0), Counts(RunJson("--per-real", "1.5"), "dog"));

    [TestMethod]
    public void Run_Classifier_IsTrainedOnceAndRefusesWhatItDisputes()
    {
        // Who has only seen dogs sees nothing but dogs.
        var classifier = _directory.File("classifier.zip");
        var dogs = _directory.File("dogs");
        PhotoFolder.Draw(dogs, cats: 0, dogs: 2);
        RunIn(dogs, _directory.File("more-dogs"), "--at-least", "3", "--classifier", classifier);
        var trained = File.ReadAllBytes(classifier);

        Assert.AreEqual((2, 2, 0, 0), Counts(RunJson("--balance", "--classifier", classifier), "dog"));
        var cats = _directory.File("cats");
        Throws.Saying<ArgumentException>(
            () => RunIn(_photos, cats, "--at-least", "5", "--classifier", classifier),
            $"The classifier '{classifier}'", "1 labels (dog), but not 'cat'");
        Assert.IsFalse(File.Exists(Path.Combine(cats, "metadata.csv")));
        Assert.AreSequenceEqual(trained, File.ReadAllBytes(classifier));
    }

    /// <summary>The first run trains the classifier that the second one finds.</summary>
    [TestMethod]
    public void Run_AgainWithTheClassifierThatItTrained_MakesOnlyWhatIsMissing()
    {
        // Who has only seen dogs sees nothing but dogs.
        Directory.Delete(Path.Combine(_photos, "cat"), recursive: true);
        var classifier = _directory.File("classifier.zip");
        RunJson("--at-least", "3", "--classifier", classifier);
        var trained = File.ReadAllBytes(classifier);
        var file = Directory.GetFiles(Path.Combine(_out, "dog")).Max()!; // the last row is the generated one
        var first = File.ReadAllBytes(file);
        File.Delete(file);

        var result = RunJson("--at-least", "3", "--classifier", classifier);
        Assert.AreEqual(1, result.GetProperty("Written").GetInt32());
        Assert.AreSequenceEqual(first, File.ReadAllBytes(file));
        Assert.AreSequenceEqual(trained, File.ReadAllBytes(classifier));
    }

    [TestMethod]
    public void Run_LeastProbabilityAndMostAttempts_RefuseWhatIsDisputed() => Throws.Saying<InvalidOperationException>(
        () => Run(
            "--balance", "--classifier", _directory.File("classifier.zip"), "--least-probability", "0.9999999",
            "--most-attempts", "2"),
        "'dog': each of 2 images (--most-attempts) was refused", "disputed 4",
        "Lower --least-probability or --copy-distance, raise --most-attempts");

    /// <summary>There is nothing that a classifier could refuse, and none is trained.</summary>
    [TestMethod]
    public void Run_NothingToGenerate_CopiesTheImages()
    {
        var classifier = _directory.File("classifier.zip");
        var model = _directory.File("keys.zip");
        var ml = new MLContext(seed: 1);
        using (var keys = Tiny.Create(ml, Tiny.Description with { Labels = new(2, null) }))
            ml.Model.Save(keys, null, model);
        Run("--at-least", "2", "--classifier", classifier, "--model", model);
        Assert.HasCount(7, File.ReadAllLines(Path.Combine(_out, "metadata.csv")));
        Assert.IsFalse(File.Exists(classifier));
    }

    /// <summary>All that can be wrong is found before a classifier is trained.</summary>
    [TestMethod]
    public void Run_OutputThatCannotBeWritten_IsNamedBeforeTheTraining()
    {
        var classifier = _directory.File("classifier.zip");
        var file = _directory.File("file");
        File.WriteAllText(file, "");
        Fails<IOException>(file, $"'{file}' is a file; --out");
        Fails<DirectoryNotFoundException>(Path.Combine(file, "more"), file);
        var other = Directory.CreateDirectory(_directory.File("other")).FullName;
        File.WriteAllText(Path.Combine(other, "note.txt"), "");
        Fails<InvalidOperationException>(other, $"'{other}' holds other files; --out");
        File.WriteAllText(Path.Combine(other, "metadata.csv"), "file_name,label\n");
        Fails<InvalidOperationException>(other, $"'{other}' holds other files; --out");
        Assert.HasCount(2, Directory.GetFiles(other));
        Throws.Saying<UsageException>(
            () => Run("--balance", "--classifier", Path.Combine(_out, "c.zip")), "--classifier", "outside", _out);
        Throws.Saying<IOException>(() => Run("--balance", "--classifier", other), other, "is a directory");
        Assert.IsFalse(File.Exists(classifier));
        Assert.IsEmpty(Directory.GetFiles(_out));

        void Fails<T>(string output, string message)
            where T : Exception => Throws.Saying<T>(
                () => RunIn(_photos, output, "--balance", "--classifier", classifier), message);
    }

    /// <summary>The folder says so before another classifier is trained.</summary>
    [TestMethod]
    [DataRow("--copy-distance was 0.5 and is 0.6", "--copy-distance", "0.6")]
    [DataRow("--classifier was none and is classifier.zip (new)", "--classifier", "classifier.zip")]
    [DataRow(
        "--least-probability was 0.5 and is 0.7", "--least-probability", "0.7", "--classifier", "classifier.zip")]
    public void Run_AgainWithOtherFilters_IsRefused(string message, params string[] options)
    {
        RunJson("--balance");
        var file = Directory.GetFiles(Path.Combine(_out, "dog")).Max()!;
        File.Delete(file);
        var classifier = _directory.File("classifier.zip");
        options = [.. options.Select(option => option == "classifier.zip" ? classifier : option)];
        Throws.Saying<InvalidOperationException>(() => Run(["--balance", .. options]), _out, message);
        Assert.IsFalse(File.Exists(file));
        Assert.IsFalse(File.Exists(classifier));
    }

    [TestMethod]
    public void Run_AgainWithOtherPhotos_IsRefused()
    {
        RunJson("--balance");
        File.Move(Path.Combine(_photos, "cat/1.png"), Path.Combine(_photos, "cat/4.png"));
        Throws.Saying<InvalidOperationException>(
            () => Run("--balance"), _out, "FOLDER was 6 images (SHA-256 ", " and is 6 images (SHA-256 ");

        File.Move(Path.Combine(_photos, "cat/4.png"), Path.Combine(_photos, "cat/1.png"));
        RunJson("--balance");
        using (var larger = TestImages.Random(12, 10, MLPixelFormat.Bgra32, seed: 1))
            larger.Save(Path.Combine(_photos, "cat/1.png"));
        Throws.Saying<InvalidOperationException>(() => Run("--balance"), _out, "FOLDER was 6 images");
    }

    /// <summary>The length of a link is that of its path.</summary>
    [TestMethod]
    [OSCondition(OperatingSystems.Linux | OperatingSystems.OSX)]
    public void Run_AgainWithOtherPhotosBehindLinks_IsRefused()
    {
        var target = _directory.File("target.png");
        var link = Path.Combine(_photos, "cat/1.png");
        File.Move(link, target);
        File.CreateSymbolicLink(link, target);
        RunJson("--balance");
        using (var larger = TestImages.Random(12, 10, MLPixelFormat.Bgra32, seed: 1)) larger.Save(target);
        Throws.Saying<InvalidOperationException>(() => Run("--balance"), _out, "FOLDER was 6 images");
    }

    [TestMethod]
    public void Run_AnotherSeed_GeneratesOtherImages()
    {
        RunJson("--balance");
        var other = _directory.File("other");
        RunIn(_photos, other, "--balance", "--seed", "2");
        Assert.HasCount(4, Dogs(_out));
        Assert.HasCount(2, Dogs(_out).Intersect(Dogs(other)), "Those are the real ones.");

        static IEnumerable<string> Dogs(string directory) => Directory.GetFiles(Path.Combine(directory, "dog"))
            .Select(file => Convert.ToHexString(File.ReadAllBytes(file)));
    }

    [TestMethod]
    public void Run_Splits_TakesTheTrainingImages()
    {
        var splits = _directory.File("splits");
        PhotoFolder.Draw(Path.Combine(splits, "train"), cats: 3, dogs: 1);
        PhotoFolder.Draw(Path.Combine(splits, "test"), cats: 5, dogs: 6);
        RunIn(splits, _out, "--balance");
        var labels = new MLContext().Data.LoadImageFolder(_out).GetColumn<string>("Label").CountBy(label => label);
        Assert.AreSequenceEqual([("cat", 3), ("dog", 3)], labels.Select(label => (label.Key, label.Value)).Order());
    }

    [TestMethod]
    public void Run_InACopyWithoutHiddenFiles_IsRefused()
    {
        RunJson("--balance");
        File.Delete(Path.Combine(_out, ".augmentation.json"));
        Throws.Saying<InvalidOperationException>(() => Run("--balance"), $"'{_out}' holds other files");
    }

    /// <summary>The run was stopped before it had written metadata.csv.</summary>
    [TestMethod]
    public void Run_WhereNothingWasWrittenWithOtherFilters_Writes()
    {
        RunJson("--balance");
        Directory.Delete(Path.Combine(_out, "cat"), recursive: true);
        Directory.Delete(Path.Combine(_out, "dog"), recursive: true);
        File.Delete(Path.Combine(_out, "metadata.csv"));
        Run("--balance", "--copy-distance", "0");
        Throws.Saying<InvalidOperationException>(() => Run("--balance"), "--copy-distance was 0 and is 0.5");
    }

    [TestMethod]
    public void Run_AgainWithAModelThatWasTrainedAgain_IsRefused()
    {
        var model = _directory.File("tiny.zip");
        File.Copy(Model, model);
        Run("--balance", "--model", model);
        var ml = new MLContext(seed: 2);
        TrainCommand.Train(ml, ml.Data.LoadImageFolder(_photos), model, Tiny.Options with { Channels = 3 });
        Throws.Saying<InvalidOperationException>(
            () => Run("--balance", "--model", model), _out, "--model was tiny.zip (SHA-256 ");

        File.WriteAllText(Path.Combine(_out, ".augmentation.json"), "{");
        Throws.Saying<FormatException>(
            () => Run("--balance", "--model", model), ".augmentation.json", "cannot be read");
    }

    [TestMethod]
    [DataRow("--at-least", "5")]
    [DataRow("--balance", "--generated-only")]
    public void Run_AgainWithOtherRows_IsRefused(params string[] options)
    {
        RunJson("--balance");
        Throws.Saying<InvalidOperationException>(() => Run(options), "metadata.csv", "save to another folder");
    }

    [TestMethod]
    public void Run_BrokenPhoto_IsNamedOrSkipped()
    {
        var broken = Path.Combine(_photos, "cat/1.png");
        File.WriteAllBytes(broken, File.ReadAllBytes(broken)[..20]);
        Throws.Saying<FormatException>(() => Run("--balance"), broken, "Use --skip-broken to leave it out.");
        Assert.IsEmpty(Directory.GetFiles(_out, "*", SearchOption.AllDirectories));

        Run("--balance", "--skip-broken");
        Assert.HasCount(3, Directory.GetFiles(Path.Combine(_out, "cat")));
        Assert.HasCount(3, Directory.GetFiles(Path.Combine(_out, "dog")));
    }

    [TestMethod]
    public void Run_OnePhoto_HasNoCopies()
    {
        var one = _directory.File("one");
        PhotoFolder.Draw(one, cats: 1, dogs: 0);
        Throws.Saying<ArgumentException>(
            () => RunIn(one, _out, "--at-least", "3"), one, "--copy-distance", "there are 1: two are the least");
        Assert.IsFalse(Directory.Exists(_out));
        RunIn(one, _out, "--at-least", "3", "--copy-distance", "0");
    }

    [TestMethod]
    public void Run_OtherSizes_AreSaidOnce()
    {
        var said = Printed.ByErrors(() => Run("--balance"));
        Assert.HasCount(
            2, said.Split("Generated images are 8 x 8 and colored; the first real one is 12 x 10 and colored."));
    }

    [TestMethod]
    public void Run_CopyDistance_RefusesNearCopies()
    {
        Throws.Saying<InvalidOperationException>(
            () => Run("--balance", "--copy-distance", "1e6"), "40 were near copies");
        RunIn(_photos, _directory.File("more"), "--balance", "--copy-distance", "0");
    }

    [TestMethod]
    [DataRow("exactly one of --balance, --at-least, --per-real, found none", "--json")]
    [DataRow("found --balance, --at-least", "--at-least", "5", "--balance")]
    [DataRow("--per-real must be a positive number, but is '-1'", "--per-real", "-1")]
    [DataRow("--per-real must be a positive number, but is 'NaN'", "--per-real", "NaN")]
    [DataRow("--copy-distance must be at least 0 and below infinity", "--balance", "--copy-distance", "-1")]
    [DataRow("--least-probability must be at least 0 and below 1", "--balance", "--least-probability", "NaN")]
    [DataRow("--at-least must be a whole number of at least 1, but is '0'", "--at-least", "0")]
    [DataRow("--least-probability needs a --classifier", "--balance", "--least-probability", "0.7")]
    public void Run_OptionsOutOfRange_AreNamed(string message, params string[] options) =>
        Throws.Saying<UsageException>(() => Run(options), message);

    [TestMethod]
    public void Run_OutputInTheFolder_IsRefused()
    {
        foreach (var output in new[] { _photos, Path.Combine(_photos, "more"), $"{_photos}/cat/../dog" })
            Throws.Saying<UsageException>(() => RunIn(_photos, output, "--balance"), "--out", _photos, output);
        RunIn(_photos, _photos + "-more", "--balance");
    }

    [TestMethod]
    public void Run_LabelThatTheModelDoesNotKnow_IsNamedWithFolderAndModel()
    {
        File.Move(Path.Combine(_photos, "dog/1.png"), Directory.CreateDirectory(_photos + "/eel").FullName + "/1.png");
        var classifier = _directory.File("classifier.zip");
        Throws.Saying<ArgumentException>(
            () => Run("--balance", "--classifier", classifier), _photos, Model, "'eel'", "cat", "dog");
        Assert.IsFalse(File.Exists(classifier));
        Assert.IsFalse(Directory.Exists(_out));
    }

    [TestMethod]
    public void Run_WrongFoldersAndModels_AreNamed()
    {
        Throws.Saying<UsageException>(() => AugmentCommand.Run([]), "folder of images is missing");
        Throws.Saying<UsageException>(() => AugmentCommand.Run(["--model", Model]), "folder of images is missing");

        var empty = Directory.CreateDirectory(_directory.File("empty")).FullName;
        Throws.Saying<FormatException>(() => RunIn(empty, _out, "--balance"), empty, "holds no images");
        Throws.Saying<DirectoryNotFoundException>(() => RunIn(empty + "x", _out, "--balance"), empty + "x");

        var model = _directory.File("other.zip");
        Throws.Saying<FileNotFoundException>(() => RunWith(model), model, "missing");
        var ml = new MLContext();
        var photos = ml.Data.LoadImageFolder(_photos);
        ml.Model.Save(ml.Transforms.CopyColumns("Other", "Label").Fit(photos), photos.Schema, model);
        Throws.Saying<InvalidOperationException>(() => RunWith(model), model, "does not generate images");
        Throws.Saying<FormatException>(() => RunWith(Path.Combine(_photos, "cat/0.png")), "cat/0.png", "model");

        void RunWith(string model) => AugmentCommand.Run([_photos, "--model", model, "--balance", "--out", _out]);
    }

    [TestMethod]
    public void Run_GeneratedOnlyWithNothingToGenerate_SaysSo() => Throws.Saying<InvalidOperationException>(
        () => Run("--at-least", "2", "--generated-only"), "nothing to generate", _photos, "AtLeast(2)");

    /// <summary>Runs the command. Of two models, the last one counts.</summary>
    private static void RunIn(string folder, string output, params string[] options) =>
        AugmentCommand.Run([folder, "--model", Model, "--out", output, .. options]);

    private static (int Real, int Generated, int Disputed, int Copied) Counts(JsonElement result, string label)
    {
        var counts = result.GetProperty("Labels").GetProperty(label);
        return (Of("Real"), Of("Generated"), Of("Disputed"), Of("Copied"));

        int Of(string name) => counts.GetProperty(name).GetInt32();
    }

    private void Run(params string[] options) => RunIn(_photos, _out, options);

    /// <summary>Runs the command, and reads the output, which must be JSON and nothing else.</summary>
    private JsonElement RunJson(params string[] options) =>
        JsonDocument.Parse(Printed.By(() => Run([.. options, "--json"]))).RootElement;
}

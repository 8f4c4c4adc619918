using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Tests.Support;
using CondDiffusion.MLNet.Training;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Tensorboard;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Training;

/// <summary>What a training reports while it runs: samples, TensorBoard's event files, the context's log.</summary>
[TestClass]
public sealed class TrainingReporterTests
{
    private static readonly ConditionalDiffusionTrainer.Options Options = Tiny.Options with
    {
        Epochs = 4,
        SampleEpochs = 2,
        ValidationFraction = 0.2,
        ProgressInterval = TimeSpan.Zero,
    };

    [TestMethod]
    public void Fit_SampleEpochs_GeneratesWhatTheModelOfThatMomentGenerates()
    {
        var (reports, model) = Train(Options);
        using var finished = model;
        var withSamples = reports.Where(report => report.Samples is not null);
        Assert.AreSequenceEqual(new long[] { 4, 8 }, withSamples.Select(report => report.Step));

        using var half = Tiny.Fit(new(), Options with { Epochs = 2 });
        foreach (var (samples, generator) in new[] { (reports[3].Samples!, half), (reports[7].Samples!, model) })
        {
            // Noise by noise, label by label.
            var expected = generator.Generate(["1", "2", "1", "2", "1", "2", "1", "2"], [0, 0, 1, 1, 2, 2, 3, 3]);
            foreach (var (image, sample) in expected.Zip(samples))
                Assert.AreSequenceEqual(image.Pixels.ToArray(), sample.Pixels.ToArray());
        }
        Assert.IsFalse(reports[3].Samples![0].Pixels.SequenceEqual(reports[7].Samples![0].Pixels));
    }

    [TestMethod]
    public void Fit_Samples_ChangeNothingInTheTraining()
    {
        var (_, plain) = Train(Options with { SampleEpochs = 0 });
        var (_, sampled) = Train(Options with { SampleEpochs = 1 });
        using (plain)
        using (sampled)
            Assert.AreSequenceEqual(Pixels(plain.Generate(["1"])), Pixels(sampled.Generate(["1"])));
    }

    [TestMethod]
    public void Fit_TensorBoardDirectory_HasEveryReportAndTheSamples()
    {
        using var directory = new TemporaryDirectory();
        var (reports, model) = Train(Options with { TensorBoardDirectory = directory.File("logs/run") });
        model.Dispose();

        var events = Read(Directory.GetFiles(directory.File("logs/run")).Single());
        Assert.AreEqual("brain.Event:2", events[0].FileVersion);
        IEnumerable<Event> Tagged(string tag) => events.Where(entry => entry.Summary?.Value[0].Tag == tag);
        void Has(string tag, IEnumerable<TrainingProgress> expected, Func<TrainingProgress, double> value) =>
            Assert.AreSequenceEqual(
                expected.Select(report => (report.Step, (float)value(report))),
                Tagged(tag).Select(entry => (entry.Step, entry.Summary.Value[0].SimpleValue)),
                tag);

        Has("train/loss", reports, report => report.Loss);
        Has("train/smoothed_loss", reports, report => report.SmoothedLoss);
        Has("train/learning_rate", reports, report => report.LearningRate);
        Has("train/gradient_norm", reports, report => report.GradientNorm);
        Has("train/images_per_second", reports, report => report.ImagesPerSecond);
        var ends = reports.Where(report => report.EndsEpoch).ToArray();
        Has("epoch/loss", ends, report => report.MeanLoss);
        Has("epoch/validation_loss", ends, report => report.ValidationLoss!.Value);

        Assert.AreSequenceEqual(new long[] { 4, 8 }, Tagged("samples").Select(image => image.Step));
        using var png = Samples(events)[1];
        using var grid = ImageGrid.Compose(reports[7].Samples!, columns: 2, padding: 1, scale: 1);
        Assert.AreEqual((2 * 9 + 1, 4 * 9 + 1), (png.Width, png.Height));
        Assert.AreSequenceEqual(Colors(grid), Colors(png));
    }

    [TestMethod]
    public void Fit_TensorBoardDirectoryIsAFile_SaysSo()
    {
        using var directory = new TemporaryDirectory();
        File.WriteAllText(directory.File("file"), "");
        var options = Options with { TensorBoardDirectory = directory.File("file") };
        var exception = Assert.ThrowsExactly<InvalidOperationException>(() => Train(options));
        Assert.Contains($"TensorBoardDirectory '{directory.File("file")}'", exception.Message);
    }

    [TestMethod]
    public void Fit_Log_HasALineForEachEpoch()
    {
        var ml = new MLContext();
        var lines = new List<string>();
        ml.Log += (_, entry) =>
        {
            if (entry.Message.Contains("Epoch", StringComparison.Ordinal)) lines.Add(entry.Message);
        };
        Tiny.Fit(ml, Options).Dispose();
        Assert.HasCount(4, lines);
        Assert.Contains("Epoch 2 of 4, step 4 of 8: loss ", lines[1]);
        Assert.Contains("validation loss ", lines[1]);
    }

    [TestMethod]
    public void Fit_TensorBoardDirectoryIsAFile_ReadsNoRow()
    {
        using var directory = new TemporaryDirectory();
        File.WriteAllText(directory.File("file"), "");
        var rows = 0;
        var images = Tiny.Images.Select(image =>
        {
            rows++;
            return image;
        });
        var options = Options with { TensorBoardDirectory = directory.File("file") };
        Assert.ThrowsExactly<InvalidOperationException>(() => Tiny.Fit(new(), options, images));
        Assert.AreEqual(0, rows);
    }

    [TestMethod]
    public void Fit_TensorBoardFailsMeanwhile_WarnsOnceAndReturnsTheModel()
    {
        using var directory = new TemporaryDirectory();
        var logs = directory.File("logs");
        var ml = new MLContext();
        var warnings = new List<string>();
        ml.Log += (_, entry) =>
        {
            if (entry.Kind == ChannelMessageKind.Warning) warnings.Add(entry.Message);
        };
        var reports = 0;
        using var model = Tiny.Fit(ml, Options with
        {
            TensorBoardDirectory = logs,
            Progress = new Reporter(report =>
            {
                reports++;
                if (report.Step != 2) return;
                Directory.Delete(logs, recursive: true);
                File.WriteAllText(logs, "a file");
            }),
        });

        Assert.AreEqual(8, reports);
        var warning = warnings.Single(line => line.Contains("TensorBoard", StringComparison.Ordinal));
        Assert.Contains("the training continues", warning);
        Assert.Contains(logs, warning);
    }

    [TestMethod]
    public void Fit_TensorBoardAndColors_HasThemInTheirOrder()
    {
        using var directory = new TemporaryDirectory();
        var reports = new List<TrainingProgress>();
        var ml = new MLContext();
        var schema = SchemaDefinition.Create(typeof(Tiny.Image));
        schema["Pixels"].ColumnType = new VectorDataViewType(NumberDataViewType.Single, 3, 8, 8);
        var images = Tiny.Images.Select((image, i) => new Tiny.Image
        {
            Label = image.Label,
            Pixels = [.. Enumerable.Range(0, 192).Select(pixel => MathF.Sin(i + pixel))],
        });
        var options = Options with
        {
            Channels = 3,
            Epochs = 1,
            SampleEpochs = 1,
            TensorBoardDirectory = directory.Path,
            Progress = new Reporter(reports.Add),
        };
        ml.ImageGeneration.Trainers.ConditionalDiffusion(options)
            .Fit(ml.Data.LoadFromEnumerable(images, schema))
            .Dispose();

        using var png = Samples(Read(Directory.GetFiles(directory.Path).Single())).Single();
        using var grid = ImageGrid.Compose(reports[^1].Samples!, columns: 2, padding: 1, scale: 1);
        Assert.AreSequenceEqual(Colors(grid), Colors(png));
        Assert.IsTrue(Colors(grid).Any(color => color.Red != color.Blue));
    }

    [TestMethod]
    public void Fit_TwelveLabels_SamplesTheFirstTen()
    {
        var reports = new List<TrainingProgress>();
        var ml = new MLContext();
        var options = Options with { Epochs = 1, SampleEpochs = 1, Progress = new Reporter(reports.Add) };
        using var model = ml.ImageGeneration.Trainers.ConditionalDiffusion(options)
            .Fit(ml.Data.LoadFromEnumerable(Tiny.Images, Tiny.Schema<Tiny.Image>(12)));

        string[] labels = [.. Enumerable.Range(1, 10).Select(label => $"{label}")];
        long[] seeds = [0, 1, 2, 3];
        var expected = model.Generate(
            [.. seeds.SelectMany(_ => labels)], [.. seeds.SelectMany(seed => labels.Select(_ => seed))]);
        var samples = reports[^1].Samples!;
        Assert.HasCount(40, samples);
        Assert.AreSequenceEqual(Pixels(expected), Pixels(samples));
    }

    [TestMethod]
    public void Report_WithinALongEpoch_LogsALineEveryThirtySeconds()
    {
        var clock = new ManualClock();
        var lines = new List<string>();
        var reporter = new TrainingReporter(
            lines.Add, Assert.Fail, tensorBoard: null, samples: null, progress: null, clock);

        for (var step = 1; step <= 10; step++)
        {
            clock.Advance(8);
            reporter.Report(Progress(step, stepsPerEpoch: 9));
        }

        // After 32 seconds, 64 seconds, and at the epoch's end, at 72.
        Assert.AreSequenceEqual(
            ["step 4 of 18", "step 8 of 18", "step 9 of 18"], lines.Select(line => line.Split(": ")[0].Split(", ")[1]));
    }

    [TestMethod]
    public void Report_EndOfAnEpoch_LogsLossesSpeedAndTimeLeft()
    {
        var lines = new List<string>();
        var reporter = new TrainingReporter(
            lines.Add, Assert.Fail, tensorBoard: null, samples: null, progress: null, new ManualClock());
        reporter.Report(Progress(step: 1, stepsPerEpoch: 1) with
        {
            MeanLoss = 0.25,
            ValidationLoss = 0.5,
            ImagesPerSecond = 12,
            TimeLeft = new(days: 3, hours: 4, minutes: 5, seconds: 6),
        });
        Assert.AreEqual(
            "Epoch 1 of 2, step 1 of 2: loss 0.25000, validation loss 0.50000, 12 images/s, 3.04:05:06 left.",
            lines.Single());
    }

    [TestMethod]
    public void Report_CancelledWhileGeneratingSamples_ReportsWithoutThem()
    {
        TrainingProgress? reported = null;
        using var network = ConditionalUNet.Create(Tiny.Description.Network, CPU, seed: 1);
        var settings = Tiny.Options.LoopSettings(1, ScalarType.Float32);
        using var loop = new TrainingLoop(
            network, settings.CreateLoss(network, NoiseSchedule.Linear(4)), settings);
        var samples = new TrainingSamples(
            network, loop, Tiny.Description, epochs: 1, () => throw new OperationCanceledException());
        var reporter = new TrainingReporter(
            _ => { },
            Assert.Fail,
            tensorBoard: null,
            samples,
            new Reporter(report => reported = report),
            new ManualClock());

        reporter.Report(Progress(step: 1, stepsPerEpoch: 1));
        Assert.IsNull(reported!.Samples);
    }

    [TestMethod]
    public void Report_SamplesFail_WarnsOnceAndReportsWithoutThem()
    {
        var warnings = new List<string>();
        var reports = new List<TrainingProgress>();
        using var network = ConditionalUNet.Create(Tiny.Description.Network, CPU, seed: 1);
        var settings = Tiny.Options.LoopSettings(1, ScalarType.Float32);
        using var loop = new TrainingLoop(
            network, settings.CreateLoss(network, NoiseSchedule.Linear(4)), settings);
        var samples = new TrainingSamples(
            network, loop, Tiny.Description, epochs: 1, () => throw new NotSupportedException("no paper"));
        var reporter = new TrainingReporter(
            _ => { }, warnings.Add, tensorBoard: null, samples, new Reporter(reports.Add), new ManualClock());

        var alive = TensorAssert.Count();
        for (var step = 1; step <= 2; step++) reporter.Report(Progress(step, stepsPerEpoch: 1));
        Assert.AreEqual(alive, TensorAssert.Count());
        Assert.IsTrue(reports.All(report => report.Samples is null));
        Assert.Contains("no paper", warnings.Single());
    }

    [TestMethod]
    [DataRow(2, 1, "SampleEpochs must be 0 where an image has 2 channels")]
    [DataRow(1, -1, "SampleEpochs must be not negative, but is -1")]
    public void Options_SampleEpochsImpossible_SaysSo(int channels, int epochs, string message)
    {
        var options = Options with { Channels = channels, SampleEpochs = epochs };
        var exception = Assert.ThrowsExactly<ArgumentException>(() =>
            new MLContext().ImageGeneration.Trainers.ConditionalDiffusion(options));
        Assert.Contains(message, exception.Message);
    }

    private static (List<TrainingProgress> Reports, ConditionalDiffusionTransformer Model) Train(
        ConditionalDiffusionTrainer.Options options)
    {
        var reports = new List<TrainingProgress>();
        var model = Tiny.Fit(new(), options with { Progress = new Reporter(reports.Add) });
        return (reports, model);
    }

    /// <summary>Reads the events of a file of TFRecords: a length, its checksum, an event, its checksum.</summary>
    private static List<Event> Read(string file)
    {
        var events = new List<Event>();
        using var reader = new BinaryReader(File.OpenRead(file));
        while (reader.BaseStream.Position < reader.BaseStream.Length)
        {
            var length = reader.ReadInt64();
            reader.ReadUInt32();
            events.Add(Event.Parser.ParseFrom(reader.ReadBytes((int)length)));
            reader.ReadUInt32();
        }
        return events;
    }

    private static MLImage[] Samples(IEnumerable<Event> events) =>
    [
        .. events.Where(entry => entry.Summary?.Value[0].Tag == "samples")
            .Select(entry => entry.Summary.Value[0].Image.EncodedImageString.ToByteArray())
            .Select(bytes => MLImage.CreateFromStream(new MemoryStream(bytes))),
    ];

    private static TrainingProgress Progress(int step, int stepsPerEpoch) => new()
    {
        Epoch = (step - 1) / stepsPerEpoch + 1,
        Epochs = 2,
        Step = step,
        Steps = 2 * stepsPerEpoch,
        StepsPerEpoch = stepsPerEpoch,
        Loss = 1,
        MeanLoss = 1,
        SmoothedLoss = 1,
        LearningRate = 1,
        GradientNorm = 1,
        ImagesPerSecond = 1,
        TimeLeft = TimeSpan.Zero,
    };

    private static byte[] Pixels(IReadOnlyList<MLImage> images) =>
        [.. images.SelectMany(image => image.Pixels.ToArray())];

    private static IEnumerable<(byte Red, byte Green, byte Blue)> Colors(MLImage image)
    {
        var red = image.PixelFormat == MLPixelFormat.Rgba32 ? 0 : 2;
        var pixels = image.Pixels.ToArray();
        return pixels.Chunk(4).Select(pixel => (pixel[red], pixel[1], pixel[2 - red]));
    }
}

using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Tests.Support;
using CondDiffusion.MLNet.Training;
using Microsoft.ML;
using Microsoft.ML.Data;
using Tensorboard;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Training;

/// <summary>What a training tells while it runs: samples, TensorBoard's event files, the context's log.</summary>
[TestClass]
public sealed class TrainingReporterTests
{
    private static readonly ConditionalDiffusionTrainer.Options Options = TinyTraining.Options with
    {
        Epochs = 4,
        SampleEpochs = 2,
        ValidationFraction = 0.2,
        ProgressInterval = TimeSpan.Zero,
    };

    [TestMethod]
    public void Fit_SampleEpochs_DrawsWhatTheModelOfThatMomentDraws()
    {
        var (reports, model) = Train(Options);
        using var finished = model;
        Assert.AreSequenceEqual(new long[] { 4, 8 }, reports.Where(report => report.Samples is not null).Select(report => report.Step));
        using var half = TinyTraining.Fit(new(), Options with { Epochs = 2 });
        foreach (var (samples, generator) in new[] { (reports[3].Samples!, half), (reports[7].Samples!, model) })
        {
            // Noise by noise, label by label.
            var expected = generator.Generate(["1", "2", "1", "2", "1", "2", "1", "2"], [0, 0, 1, 1, 2, 2, 3, 3]);
            foreach (var (image, sample) in expected.Zip(samples)) Assert.AreSequenceEqual(image.Pixels.ToArray(), sample.Pixels.ToArray());
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
        void Has(string tag, IEnumerable<TrainingProgress> expected, Func<TrainingProgress, double> value) => Assert.AreSequenceEqual(
            expected.Select(report => (report.Step, (float)value(report))),
            events.Where(entry => entry.Summary?.Value[0].Tag == tag).Select(entry => (entry.Step, entry.Summary.Value[0].SimpleValue)), tag);
        Has("train/loss", reports, report => report.Loss);
        Has("train/smoothed_loss", reports, report => report.SmoothedLoss);
        Has("train/learning_rate", reports, report => report.LearningRate);
        Has("train/gradient_norm", reports, report => report.GradientNorm);
        Has("train/images_per_second", reports, report => report.ImagesPerSecond);
        Has("epoch/loss", reports.Where(report => report.EndsEpoch), report => report.MeanLoss);
        Has("epoch/validation_loss", reports.Where(report => report.EndsEpoch), report => report.ValidationLoss!.Value);

        var images = events.Where(entry => entry.Summary?.Value[0].Tag == "samples").ToArray();
        Assert.AreSequenceEqual(new long[] { 4, 8 }, images.Select(image => image.Step));
        using var png = MLImage.CreateFromStream(new MemoryStream(images[1].Summary.Value[0].Image.EncodedImageString.ToByteArray()));
        using var grid = ImageGrid.Compose(reports[7].Samples!, columns: 2, padding: 1, scale: 1);
        Assert.AreEqual((2 * 9 + 1, 4 * 9 + 1), (png.Width, png.Height));
        Assert.AreSequenceEqual(Colors(grid), Colors(png));
    }

    [TestMethod]
    public void Fit_TensorBoardDirectoryIsAFile_SaysSo()
    {
        using var directory = new TemporaryDirectory();
        File.WriteAllText(directory.File("file"), "");
        var exception = Assert.ThrowsExactly<InvalidOperationException>(() => Train(Options with { TensorBoardDirectory = directory.File("file") }));
        Assert.Contains($"TensorBoardDirectory '{directory.File("file")}'", exception.Message);
    }

    [TestMethod]
    public void Fit_Log_HasALineAnEpoch()
    {
        var ml = new MLContext();
        var lines = new List<string>();
        ml.Log += (_, entry) =>
        {
            if (entry.Message.Contains("Epoch", StringComparison.Ordinal)) lines.Add(entry.Message);
        };
        TinyTraining.Fit(ml, Options).Dispose();
        Assert.HasCount(4, lines);
        Assert.Contains("Epoch 2 of 4, step 4 of 8: loss ", lines[1]);
        Assert.Contains("validation loss ", lines[1]);
    }

    [TestMethod]
    public void Report_CancelledWhileDrawingSamples_ReportsWithoutThem()
    {
        TrainingProgress? reported = null;
        using var network = ConditionalUNet.Create(TinyModel.Description.Network, CPU, seed: 1);
        using var loop = new TrainingLoop(network, NoiseSchedule.Linear(4), TinyTraining.Options.LoopSettings(1, ScalarType.Float32));
        var samples = new TrainingSamples(loop, TinyModel.Description, epochs: 1, () => throw new OperationCanceledException());
        var reporter = new TrainingReporter(
            _ => { }, _ => { }, tensorBoard: null, samples, new Reporter(report => reported = report), TimeProvider.System);

        reporter.Report(new()
        {
            Epoch = 1,
            Epochs = 1,
            Step = 1,
            Steps = 1,
            StepsPerEpoch = 1,
            Loss = 1,
            MeanLoss = 1,
            SmoothedLoss = 1,
            LearningRate = 1,
            GradientNorm = 1,
            ImagesPerSecond = 1,
            TimeLeft = TimeSpan.Zero,
        });
        Assert.IsNull(reported!.Samples);
    }

    [TestMethod]
    [DataRow(2, 1, "SampleEpochs must be 0 where an image has 2 channels")]
    [DataRow(1, -1, "SampleEpochs must be not negative, but is -1")]
    public void Options_SampleEpochsImpossible_SaysSo(int channels, int epochs, string message) => Assert.Contains(message, Assert.ThrowsExactly<ArgumentException>(() =>
        new MLContext().ImageGeneration.Trainers.ConditionalDiffusion(Options with { Channels = channels, SampleEpochs = epochs })).Message);

    private static (List<TrainingProgress> Reports, ConditionalDiffusionTransformer Model) Train(ConditionalDiffusionTrainer.Options options)
    {
        var reports = new List<TrainingProgress>();
        var model = TinyTraining.Fit(new(), options with { Progress = new Reporter(reports.Add) });
        return (reports, model);
    }

    /// <summary>The events of a file of TFRecords: length, its checksum, an event, its checksum.</summary>
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

    private static byte[] Pixels(IReadOnlyList<MLImage> images) => [.. images.SelectMany(image => image.Pixels.ToArray())];

    private static IEnumerable<(byte Red, byte Green, byte Blue)> Colors(MLImage image)
    {
        var red = image.PixelFormat == MLPixelFormat.Rgba32 ? 0 : 2;
        var pixels = image.Pixels.ToArray();
        return pixels.Chunk(4).Select(pixel => (pixel[red], pixel[1], pixel[2 - red]));
    }
}

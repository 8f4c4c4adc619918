using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;

namespace CondDiffusion.MLNet.Tests;

/// <summary>Trainings that are stopped and run again, through the trainer.</summary>
[TestClass]
public sealed class CheckpointTests
{
    private static readonly ConditionalDiffusionTrainer.Options Plain = TinyTraining.Options with
    {
        Epochs = 3,
        LabelDropout = 0.2,
        ValidationFraction = 0.2,
        WarmUpSteps = 2,
        CosineLearningRateDecay = true,
        ProgressInterval = TimeSpan.Zero,
    };

    [TestMethod]
    public void Fit_StoppedAfterAnyStep_GoesOnToTheSameWeightsAndReports()
    {
        var expected = Train(Plain);
        for (var stop = 1; stop <= 6; stop++)
        {
            using var directory = new TemporaryDirectory();
            var options = Plain with { CheckpointDirectory = directory.Path };
            var before = Train(options, stop);
            Assert.IsNull(before.Weights);
            var after = Train(options);
            Assert.AreSequenceEqual(expected.Weights!, after.Weights!, $"stopped after step {stop}");
            Assert.AreSequenceEqual(expected.Losses, [.. before.Losses, .. after.Losses]);
        }
    }

    [TestMethod]
    public void Fit_KilledBetweenCheckpoints_GoesOnFromTheLastToTheSameWeights()
    {
        using var directory = new TemporaryDirectory();
        var options = Plain with { CheckpointDirectory = directory.Path, CheckpointSteps = 2 };
        // What is in the directory while a step is reported is what a kill at that moment would leave.
        using var left = new TemporaryDirectory();
        TinyTraining.Fit(new(), options with { Progress = new Reporter(progress => CopyAt(progress, 5)) }).Dispose();
        Assert.AreEqual("checkpoint-000000004", Newest(left)[..20]);

        Assert.AreSequenceEqual(Train(Plain).Weights!, Train(options with { CheckpointDirectory = left.Path }).Weights!);

        void CopyAt(TrainingProgress progress, long step)
        {
            if (progress.Step != step) return;
            foreach (var file in Directory.GetFiles(directory.Path, "checkpoint-*")) File.Copy(file, left.File(Path.GetFileName(file)));
        }
    }

    [TestMethod]
    public void Fit_NewestDamaged_TakesTheOneBeforeAndWarns()
    {
        using var directory = new TemporaryDirectory();
        var options = Plain with { CheckpointDirectory = directory.Path, CheckpointSteps = 1 };
        Train(options, stop: 4);
        var newest = directory.File(Newest(directory));
        var bytes = File.ReadAllBytes(newest);
        bytes[^5] ^= 1;
        File.WriteAllBytes(newest, bytes);

        var ml = new MLContext();
        var log = new List<string>();
        ml.Log += (_, entry) => log.Add(entry.Message);
        using var model = TinyTraining.Fit(ml, options);
        Assert.AreSequenceEqual(Train(Plain).Weights!, Weights(model));
        Assert.Contains(line => line.Contains(Path.GetFileName(newest), StringComparison.Ordinal) && line.Contains("damaged", StringComparison.Ordinal), log);
        Assert.Contains(line => line.Contains("Resuming from step 3", StringComparison.Ordinal), log);
    }

    [TestMethod]
    public void Fit_EveryCheckpointDamaged_RefusesAndNamesThem()
    {
        using var directory = new TemporaryDirectory();
        var options = Plain with { CheckpointDirectory = directory.Path };
        Train(options, stop: 1);
        File.WriteAllBytes(directory.File(Newest(directory)), [1, 2, 3]);
        var message = Assert.ThrowsExactly<InvalidOperationException>(() => Train(options)).Message;
        Assert.Contains("every checkpoint is damaged", message);
        Assert.Contains(Newest(directory), message);
    }

    [TestMethod]
    public void Fit_OtherOptionsOrData_RefusesAndSaysWhichDiffer()
    {
        using var directory = new TemporaryDirectory();
        var options = Plain with { CheckpointDirectory = directory.Path };
        Train(options, stop: 2);
        void Refuses(ConditionalDiffusionTrainer.Options other, params string[] messages)
        {
            var message = Assert.ThrowsExactly<InvalidOperationException>(() => Train(other)).Message;
            foreach (var part in messages) Assert.Contains(part, message);
        }

        Refuses(options with { LearningRate = 0.25, BatchSize = 2 }, "LearningRate was 0.0005 and is 0.25", "BatchSize was 4 and is 2", directory.Path);
        Refuses(options with { Epochs = 4 }, "Epochs was 3 and is 4");
        Refuses(options with { Seed = 2 }, "Seed was 1 and is 2");
        Refuses(options with { ChannelWidths = [2, 2, 4] }, "ChannelWidths was [2, 2, 2] and is [2, 2, 4]");
        Refuses(options with { Precision = Precision.BFloat16 == Taken() ? Precision.Float32 : Precision.BFloat16 }, "Precision was");
        var images = TinyTraining.Images.ToArray();
        images[7].Pixels![63] = 0;
        Assert.Contains("images was 10, SHA-256", Assert.ThrowsExactly<InvalidOperationException>(() => TinyTraining.Fit(new(), options, images)).Message);
    }

    [TestMethod]
    public void Fit_MoreEpochsAtAConstantRate_GoesOnFromTheEnd()
    {
        using var directory = new TemporaryDirectory();
        var options = Plain with { CosineLearningRateDecay = false, CheckpointDirectory = directory.Path };
        Train(options with { Epochs = 1 });
        Assert.AreSequenceEqual(Train(options with { CheckpointDirectory = null }).Weights!, Train(options).Weights!);
        Assert.Contains("Epochs is 1", Assert.ThrowsExactly<InvalidOperationException>(() => Train(options with { Epochs = 1 })).Message);
    }

    [TestMethod]
    public void Fit_FinishedTraining_ReturnsItAgainWithoutAStep()
    {
        using var directory = new TemporaryDirectory();
        var options = Plain with { CheckpointDirectory = directory.Path };
        var first = Train(options);
        var second = Train(options);
        Assert.IsEmpty(second.Losses);
        Assert.AreSequenceEqual(first.Weights!, second.Weights!);
    }

    [TestMethod]
    public void Fit_NoSeed_GoesOnWithTheSeedOfTheCheckpoint()
    {
        using var directory = new TemporaryDirectory();
        var options = Plain with { Seed = null, CheckpointDirectory = directory.Path };
        Train(options, stop: 2);
        using var whole = TinyTraining.Fit(new(), options);
        var seed = int.Parse(TrainingIdentityOf(directory)["Seed"], System.Globalization.CultureInfo.InvariantCulture);
        Assert.AreSequenceEqual(Train(Plain with { Seed = seed }).Weights!, Weights(whole));
    }

    [TestMethod]
    public void Fit_ManyCheckpoints_KeepsTheNewestAndNothingElse()
    {
        using var directory = new TemporaryDirectory();
        File.WriteAllText(directory.File("checkpoint-0123456789abcdef0123456789abcdef.tmp"), "left by a kill");
        File.WriteAllText(directory.File("notes.txt"), "someone's");
        Train(Plain with { CheckpointDirectory = directory.Path, CheckpointSteps = 1, CheckpointsKept = 2 });
        var names = Directory.GetFiles(directory.Path).Select(Path.GetFileName).Order(StringComparer.Ordinal).ToArray();
        Assert.HasCount(4, names);
        Assert.StartsWith("checkpoint-000000005-", names[0]);
        Assert.StartsWith("checkpoint-000000006-", names[1]);
        Assert.AreEqual("checkpoints.lock", names[2]);
        Assert.AreEqual("notes.txt", names[3]);
    }

    [TestMethod]
    public void Fit_DirectoryOfARunningTraining_RefusesIt()
    {
        using var directory = new TemporaryDirectory();
        var options = Plain with { CheckpointDirectory = directory.Path };
        Exception? refusal = null;
        TinyTraining.Fit(new(), options with
        {
            Progress = new Reporter(_ => refusal ??= Assert.ThrowsExactly<InvalidOperationException>(() => Train(options))),
        }).Dispose();
        Assert.Contains("another training", refusal!.Message);
    }

    [TestMethod]
    public void Fit_DirectoryIsAFile_SaysSo()
    {
        using var directory = new TemporaryDirectory();
        File.WriteAllText(directory.File("file"), "");
        var options = Plain with { CheckpointDirectory = directory.File("file") };
        Assert.Contains(directory.File("file"), Assert.ThrowsExactly<InvalidOperationException>(() => Train(options)).Message);
    }

    [TestMethod]
    public void Fit_Diverged_NamesTheLastGoodCheckpoint()
    {
        using var directory = new TemporaryDirectory();
        // A rate that is harmless while it warms up, and then is not.
        var options = Plain with { CheckpointDirectory = directory.Path, CheckpointSteps = 1, LearningRate = 4e18, WarmUpSteps = 20, Epochs = 20 };
        var message = Assert.ThrowsExactly<InvalidOperationException>(() => Train(options)).Message;
        Assert.Contains(" of 40 ", message);
        Assert.Contains("at learning rate ", message);
        Assert.Contains($"The last good checkpoint is '{directory.File(Newest(directory))}'", message);

        message = Assert.ThrowsExactly<InvalidOperationException>(() => Train(options with { CheckpointDirectory = null })).Message;
        Assert.Contains("There is no checkpoint to go back to", message);
    }

    [TestMethod]
    public void Fit_CancelledToReturnTheModel_IsTheTrainingOfThoseSteps()
    {
        using var source = new CancellationTokenSource();
        var options = Plain with { CosineLearningRateDecay = false };
        using var model = TinyTraining.Fit(new(), options with
        {
            Epochs = 50,
            OnCancellation = CancellationBehavior.ReturnModel,
            CancellationToken = source.Token,
            Progress = new Reporter(progress => CancelAt(progress, 4, source)),
        });
        Assert.AreSequenceEqual(Train(options with { Epochs = 2 }).Weights!, Weights(model));
        Assert.HasCount(1, model.Generate(["1"]));
    }

    [TestMethod]
    public void Fit_CheckpointOptionsOutOfRange_NamesThem()
    {
        var message = Assert.ThrowsExactly<ArgumentException>(() => new MLContext().ImageGeneration.Trainers.ConditionalDiffusion(Plain with
        {
            CheckpointDirectory = " ",
            CheckpointInterval = TimeSpan.Zero,
            CheckpointSteps = -1,
            CheckpointsKept = 0,
            OnCancellation = (CancellationBehavior)7,
        })).Message;
        foreach (var option in new[] { "CheckpointDirectory", "CheckpointInterval", "CheckpointSteps", "CheckpointsKept", "OnCancellation" })
            Assert.Contains(option, message);
    }

    /// <summary>The weights that a training ends with, null if it is stopped after a step, and every step's loss.</summary>
    private static (float[]? Weights, List<double> Losses) Train(ConditionalDiffusionTrainer.Options options, long stop = long.MaxValue)
    {
        using var source = new CancellationTokenSource();
        var losses = new List<double>();
        try
        {
            using var model = TinyTraining.Fit(new(), options with
            {
                CancellationToken = source.Token,
                Progress = new Reporter(progress =>
                {
                    losses.AddRange(progress.Loss, progress.MeanLoss, progress.SmoothedLoss, progress.ValidationLoss ?? 0, progress.LearningRate);
                    CancelAt(progress, stop, source);
                }),
            });
            return (Weights(model), losses);
        }
        catch (OperationCanceledException)
        {
            return (null, losses);
        }
    }

    private static void CancelAt(TrainingProgress progress, long step, CancellationTokenSource source)
    {
        if (progress.Step == step) source.Cancel();
    }

    private static float[] Weights(ConditionalDiffusionTransformer model)
    {
        float[] weights = [];
        model.Generator.UseNetwork(network => weights = [.. network.Parameters.data<float>(), .. network.Buffers.data<float>()]);
        return weights;
    }

    private static Precision Taken() =>
        TorchDevice.ChooseDataType(Precision.Auto, TorchSharp.torch.CPU) == TorchSharp.torch.ScalarType.BFloat16 ? Precision.BFloat16 : Precision.Float32;

    private static string Newest(TemporaryDirectory directory) =>
        Directory.GetFiles(directory.Path, "checkpoint-*").Select(file => Path.GetFileName(file)).Max(StringComparer.Ordinal)!;

    private static IReadOnlyDictionary<string, string> TrainingIdentityOf(TemporaryDirectory directory)
    {
        using var stream = File.OpenRead(directory.File(Newest(directory)));
        return Safetensors.ReadMetadata(stream);
    }
}

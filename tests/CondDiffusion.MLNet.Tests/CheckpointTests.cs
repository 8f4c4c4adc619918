using System.Globalization;
using System.Security.Cryptography;
using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Tests.Support;
using CondDiffusion.MLNet.Tests.Training;
using CondDiffusion.MLNet.Training;
using Microsoft.ML;
using Microsoft.ML.Runtime;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests;

/// <summary>Trainings that are stopped and resumed, through the trainer.</summary>
[TestClass]
public sealed class CheckpointTests
{
    private static readonly ConditionalDiffusionTrainer.Options Plain = Tiny.Options with
    {
        Epochs = 3,
        LabelDropout = 0.2,
        ValidationFraction = 0.2,
        WarmUpSteps = 2,
        LearningRateDecay = LearningRateDecay.Cosine,
        ProgressInterval = TimeSpan.Zero,
    };

    [TestMethod]
    public void Fit_StoppedAfterAnyStep_ResumesToTheSameWeightsAndReports()
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
    public void Fit_KilledBetweenCheckpoints_ResumesFromTheLastToTheSameWeights()
    {
        using var directory = new TemporaryDirectory();
        var options = Plain with { CheckpointDirectory = directory.Path, CheckpointSteps = 2 };

        // What is in the directory while a step is reported is what a kill at that moment would leave.
        using var left = new TemporaryDirectory();
        Tiny.Fit(new(), options with { Progress = new Reporter(progress => CopyAt(progress, 5)) }).Dispose();
        Assert.AreEqual("checkpoint-000000004", Newest(left)[..20]);

        var resumed = Train(options with { CheckpointDirectory = left.Path });
        Assert.AreSequenceEqual(Train(Plain).Weights!, resumed.Weights!);

        void CopyAt(TrainingProgress progress, long step)
        {
            if (progress.Step != step) return;
            foreach (var file in Directory.GetFiles(directory.Path, "checkpoint-*"))
                File.Copy(file, left.File(Path.GetFileName(file)));
        }
    }

    [TestMethod]
    public void Fit_CheckpointInterval_WritesOneWhenItIsOver()
    {
        using var directory = new TemporaryDirectory();
        var newest = new List<string>();
        Tiny.Fit(new(), Plain with
        {
            CheckpointDirectory = directory.Path,
            CheckpointInterval = TimeSpan.FromTicks(1),
            Progress = new Reporter(progress =>
            {
                if (progress.Step > 1) newest.Add(Newest(directory)[..20]);
            }),
        }).Dispose();

        // The report of a step comes before its checkpoint.
        string[] expected = [.. Enumerable.Range(1, 5).Select(step => $"checkpoint-{step:D9}")];
        Assert.AreSequenceEqual(expected, newest);
    }

    [TestMethod]
    public void Fit_NewestDamaged_ResumesFromTheOneBeforeAndWarns()
    {
        using var directory = new TemporaryDirectory();
        var options = Plain with { CheckpointDirectory = directory.Path, CheckpointSteps = 1 };
        Train(options, stop: 4);
        var newest = DamageNewest(directory);

        using var model = Tiny.Fit(Logging(out var log), options);

        Assert.AreSequenceEqual(Train(Plain).Weights!, Weights(model));
        Assert.Contains(line => line.Contains($"{newest}' is damaged", StringComparison.Ordinal), log);
        Assert.Contains(line => line.Contains("Resuming from step 3", StringComparison.Ordinal), log);
    }

    [TestMethod]
    public void Fit_NewestDamagedAndStoppedBeforeItsStep_KeepsTheIntactOneAndSetsTheDamagedOneAside()
    {
        using var directory = new TemporaryDirectory();
        var options = Plain with { CheckpointDirectory = directory.Path, CheckpointSteps = 2 };
        Train(options, stop: 4);
        var damaged = DamageNewest(directory);
        Assert.StartsWith("checkpoint-000000004-", damaged);

        Train(options with { CheckpointsKept = 1 }, stop: 3);

        var names = Names(directory, "checkpoint-*");
        Assert.HasCount(2, names);
        Assert.StartsWith("checkpoint-000000003-", names[0]);
        Assert.AreEqual($"{damaged}.damaged", names[1]);
        Assert.AreSequenceEqual(Train(Plain).Weights!, Train(options).Weights!);
        Assert.IsTrue(File.Exists(directory.File($"{damaged}.damaged")));
    }

    [TestMethod]
    public void Fit_CheckpointThatCannotBeRead_IsPassedOverAndStays()
    {
        using var directory = new TemporaryDirectory();
        var options = Plain with { CheckpointDirectory = directory.Path, CheckpointSteps = 1 };
        Train(options, stop: 3);

        // A link to itself can be opened by nobody, whatever the permissions.
        var unreadable = directory.File("checkpoint-000000005-0123456789abcdef.safetensors");
        File.CreateSymbolicLink(unreadable, unreadable);

        using var model = Tiny.Fit(Logging(out var log), options);
        Assert.AreSequenceEqual(Train(Plain).Weights!, Weights(model));
        Assert.Contains(line => line.Contains($"{unreadable}' cannot be read", StringComparison.Ordinal), log);
        Assert.Contains(Path.GetFileName(unreadable), Names(directory, "checkpoint-*"));
    }

    [TestMethod]
    public void Fit_DirectoryRemovedMeanwhile_ReturnsTheModelAndWarns()
    {
        using var directory = new TemporaryDirectory();
        var checkpoints = directory.File("checkpoints");
        using var model = Tiny.Fit(Logging(out var log), Plain with
        {
            CheckpointDirectory = checkpoints,
            CheckpointSteps = 1,
            Progress = new Reporter(progress =>
            {
                if (progress.Step != 3) return;
                Directory.Delete(checkpoints, recursive: true);
                File.WriteAllText(checkpoints, "a file");
            }),
        });

        Assert.AreSequenceEqual(Train(Plain).Weights!, Weights(model));
        var warnings = log.Where(line => line.Contains("could not be written", StringComparison.Ordinal)).ToArray();
        Assert.HasCount(2, warnings);
        Assert.Contains("The checkpoint of step 3 could not be written, and the training continues", warnings[0]);
        Assert.Contains("The last checkpoint, of step 6, could not be written", warnings[1]);
        Assert.Contains(checkpoints, warnings[1]);
    }

    [TestMethod]
    public void Fit_OldCheckpointThatCannotBeDeleted_ReturnsTheModelAndWarnsOnce()
    {
        using var directory = new TemporaryDirectory();
        using var model = Tiny.Fit(Logging(out var log), Plain with
        {
            CheckpointDirectory = directory.Path,
            CheckpointSteps = 1,
            CheckpointsKept = 1,
            Progress = new Reporter(progress =>
            {
                // In place of the checkpoint a directory, which deleting a file refuses to delete.
                if (progress.Step is not (2 or 4)) return;
                var newest = directory.File(Newest(directory));
                File.Delete(newest);
                Directory.CreateDirectory(newest);
            }),
        });

        Assert.AreSequenceEqual(Train(Plain).Weights!, Weights(model));
        Assert.HasCount(1, log.Where(line => line.Contains("could not be tidied up", StringComparison.Ordinal)));
        Assert.StartsWith("checkpoint-000000006-", Newest(directory));
    }

    [TestMethod]
    public void Fit_EveryCheckpointDamaged_RefusesAndNamesThem()
    {
        using var directory = new TemporaryDirectory();
        var options = Plain with { CheckpointDirectory = directory.Path };
        Train(options, stop: 1);
        File.WriteAllBytes(directory.File(Newest(directory)), [1, 2, 3]);

        var message = Assert.ThrowsExactly<InvalidOperationException>(() => Train(options)).Message;
        Assert.Contains("no checkpoint can be read", message);
        Assert.Contains($"{Newest(directory)}: Its content does not have the hash in its name.", message);
        Assert.Contains("Restore one", message);
    }

    [TestMethod]
    public void Fit_TheOnlyCheckpointCannotBeOpened_SaysWhyAndToTryAgain()
    {
        using var directory = new TemporaryDirectory();
        var unreadable = directory.File("checkpoint-000000005-0123456789abcdef.safetensors");
        File.CreateSymbolicLink(unreadable, unreadable); // nobody can open a link to itself
        Throws.Saying<InvalidOperationException>(
            () => Train(Plain with { CheckpointDirectory = directory.Path }),
            $"{Path.GetFileName(unreadable)}: ",
            "Make one readable and try again");
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

        Refuses(
            options with { LearningRate = 0.25, BatchSize = 2 },
            "LearningRate was 0.001 and is 0.25", "BatchSize was 4 and is 2", directory.Path);
        Refuses(options with { Epochs = 4 }, "Epochs was 3 and is 4");
        Refuses(options with { Seed = 2 }, "Seed was 1 and is 2");
        Refuses(options with { ChannelWidths = [2, 2, 4] }, "ChannelWidths was [2, 2, 2] and is [2, 2, 4]");

        var another = AutomaticPrecision() == Precision.BFloat16 ? Precision.Float32 : Precision.BFloat16;
        Refuses(options with { Precision = another }, "Precision was");

        var images = Tiny.Images.ToArray();
        images[7].Pixels![63] = 0;
        var exception = Assert.ThrowsExactly<InvalidOperationException>(() => Tiny.Fit(new(), options, images));
        Assert.Contains("images was 10, SHA-256", exception.Message);
    }

    [TestMethod]
    public void Fit_MoreEpochsAtAConstantRate_ResumesFromTheEnd()
    {
        using var directory = new TemporaryDirectory();
        var options = Plain with { LearningRateDecay = LearningRateDecay.None, CheckpointDirectory = directory.Path };
        Train(options with { Epochs = 1 });
        Assert.AreSequenceEqual(Train(options with { CheckpointDirectory = null }).Weights!, Train(options).Weights!);

        var exception = Assert.ThrowsExactly<InvalidOperationException>(() => Train(options with { Epochs = 1 }));
        Assert.Contains("Epochs is 1", exception.Message);
    }

    /// <summary>
    /// 2 steps in an epoch: the rate falls from step 17 on with 10 epochs, and from step 25 on with 15. The two are the
    /// same up to step 16.
    /// </summary>
    [TestMethod]
    public void Fit_OtherEpochsAfterACooldown_ResumesFromBeforeIt()
    {
        using var directory = new TemporaryDirectory();
        var options = Cooldown(directory);
        var first = Train(options);
        Assert.AreSequenceEqual(
            ["checkpoint-000000016", "checkpoint-000000020"], Names(directory, "checkpoint-*0*").Select(Start));

        var longer = options with { Epochs = 15 };
        var second = Train(longer);
        var whole = Train(longer with { CheckpointDirectory = null });
        Assert.AreSequenceEqual(whole.Losses[(whole.Losses.Count * 16 / 30)..], second.Losses);
        Assert.AreSequenceEqual(whole.Weights!, second.Weights!);

        // Both are finished now, and neither takes another step.
        Assert.IsEmpty(Train(longer).Losses);
        Assert.AreSequenceEqual(first.Weights!, Train(options).Weights!);

        static string Start(string name) => name[..20];
    }

    /// <summary>
    /// The only checkpoint is from within the fall of the rate, where a longer training has not come yet.
    /// </summary>
    [TestMethod]
    public void Fit_MoreEpochsWithoutACheckpointFromBeforeTheCooldown_IsRefused()
    {
        using var directory = new TemporaryDirectory();
        var options = Cooldown(directory);
        Train(options);
        File.Delete(directory.File(Names(directory, "checkpoint-000000016-*").Single()));
        Throws.Saying<InvalidOperationException>(
            () => Train(options with { Epochs = 15 }),
            "is of step 20 of a training of 10 epochs, in which the learning rate had begun to fall",
            "no checkpoint is from before that");
    }

    [TestMethod]
    public void Fit_FewerEpochsWithCooldown_ResumesFromBeforeTheirFall()
    {
        using var directory = new TemporaryDirectory();
        var options = Plain with
        {
            LearningRateDecay = LearningRateDecay.Cooldown,
            CheckpointDirectory = directory.Path,
            CheckpointSteps = 3,
            CheckpointsKept = 99,
            Epochs = 15,
        };
        Train(options, stop: 20);

        var shorter = options with { Epochs = 5 };
        var whole = Train(shorter with { CheckpointDirectory = null });
        Assert.AreSequenceEqual(whole.Weights!, Train(shorter).Weights!);

        var exception = Assert.ThrowsExactly<InvalidOperationException>(() => Train(options with { Epochs = 1 }));
        Assert.Contains("with 1 epochs the learning rate falls from step 3 on, and no checkpoint", exception.Message);
    }

    [TestMethod]
    public void Fit_SeveralAveragesStoppedAfterAnyStep_ResumesToTheSameWeights()
    {
        var options = Plain with { MovingAverageLengths = [0.28, 0.05, 0.01] };
        var expected = Train(options);
        for (var stop = 1; stop <= 6; stop++)
        {
            using var directory = new TemporaryDirectory();
            var resumed = options with { CheckpointDirectory = directory.Path };
            Train(resumed, stop);
            Assert.AreSequenceEqual(expected.Weights!, Train(resumed).Weights!, $"stopped after step {stop}");
        }
    }

    [TestMethod]
    public void Fit_SeveralAveragesAndNoImageHeldOut_SaysSo()
    {
        var options = Plain with { MovingAverageLengths = [0.1, 0.05], ValidationFraction = 0.05 };
        var exception = Assert.ThrowsExactly<InvalidOperationException>(() => Train(options));
        Assert.Contains("ValidationFraction is 0.05, which is no image of 10", exception.Message);
    }

    [TestMethod]
    public void Fit_OtherEpochsWithCosineDecay_IsRefused()
    {
        using var directory = new TemporaryDirectory();
        var options = Plain with { CheckpointDirectory = directory.Path };
        Train(options, stop: 2);
        var exception = Assert.ThrowsExactly<InvalidOperationException>(() => Train(options with { Epochs = 4 }));
        Assert.Contains("Epochs was 3 and is 4", exception.Message);
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
    public void Fit_NoSeed_ResumesWithTheSeedOfTheCheckpoint()
    {
        using var directory = new TemporaryDirectory();
        var options = Plain with { Seed = null, CheckpointDirectory = directory.Path };
        Train(options, stop: 2);
        using var whole = Tiny.Fit(new(), options);

        var seed = int.Parse(ReadMetadata(directory)["Seed"], CultureInfo.InvariantCulture);
        Assert.AreSequenceEqual(Train(Plain with { Seed = seed }).Weights!, Weights(whole));
    }

    /// <summary>A context has its seed from the user, so that it goes before that of a checkpoint.</summary>
    [TestMethod]
    public void Fit_ContextWithAnotherSeed_IsRefused()
    {
        using var directory = new TemporaryDirectory();
        var options = Plain with { Seed = null, CheckpointDirectory = directory.Path };
        Tiny.Fit(new(seed: 5), options).Dispose();
        Throws.Saying<InvalidOperationException>(
            () => Tiny.Fit(new(seed: 6), options), "belongs to another training: Seed was 5 and is 6.");
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
    public void Fit_NothingSaidAboutThem_KeepsTheNewestThree()
    {
        using var directory = new TemporaryDirectory();
        Train(Plain with { CheckpointDirectory = directory.Path, CheckpointSteps = 1 });
        Assert.AreSequenceEqual(
            ["checkpoint-000000004", "checkpoint-000000005", "checkpoint-000000006"],
            Names(directory, "checkpoint-*").Select(name => name[..20]));
    }

    [TestMethod]
    public void Fit_FileThatIsNoCheckpointOfOurs_IsLeftAlone()
    {
        using var directory = new TemporaryDirectory();
        string[] others =
        [
            ".lock", "checkpoint-best.safetensors", "checkpoint-000000009-x.safetensors",
            "checkpoint-000000009-0123456789abcdef.safetensors.tmp",
        ];
        foreach (var name in others) File.WriteAllText(directory.File(name), "someone's");
        Train(Plain with { CheckpointDirectory = directory.Path, CheckpointSteps = 1, CheckpointsKept = 1 });
        foreach (var name in others) Assert.AreEqual("someone's", File.ReadAllText(directory.File(name)));
    }

    [TestMethod]
    public void Fit_CheckpointsOfAnotherTrainingBesideOurs_AreNotDeleted()
    {
        using var directory = new TemporaryDirectory();
        using var other = new TemporaryDirectory();
        var options = Plain with { CheckpointSteps = 1, CheckpointsKept = 1 };
        Train(options with { CheckpointDirectory = directory.Path, Seed = 2 }, stop: 2);
        Train(options with { CheckpointDirectory = other.Path }, stop: 4);
        var foreign = Newest(directory);
        var newest = Newest(other);
        File.Copy(other.File(newest), directory.File(newest));
        Train(options with { CheckpointDirectory = directory.Path });
        Assert.IsTrue(File.Exists(directory.File(foreign)));
        Assert.IsFalse(File.Exists(directory.File(newest)));
    }

    /// <summary>A handler of the log may write to the disk that the checkpoints have filled.</summary>
    [TestMethod]
    public void Fit_LogThatThrows_DoesNotEndTheTraining()
    {
        using var directory = new TemporaryDirectory();
        var ml = new MLContext();
        ml.Log += (_, entry) =>
        {
            if (entry.Kind is ChannelMessageKind.Info or ChannelMessageKind.Warning)
                throw new IOException("No space left.");
        };
        using var model = Tiny.Fit(ml, Plain with { CheckpointDirectory = directory.Path });
        Assert.AreSequenceEqual(Train(Plain).Weights!, Weights(model));
    }

    [TestMethod]
    public void Fit_Checkpoint_NamesTheAlgorithmAndTheKindOfDevice()
    {
        using var directory = new TemporaryDirectory();
        Train(Plain with { CheckpointDirectory = directory.Path }, stop: 1);
        var metadata = ReadMetadata(directory);
        Assert.AreEqual("3", metadata["algorithm"]);
        Assert.AreEqual("CPU", metadata["device"]);
    }

    [TestMethod]
    public void CheckSame_CheckpointWithoutAlgorithmDeviceAndOptimizer_IsOfTheFirstOnTheCPUWithAdam()
    {
        var old = new Checkpoint("old", 1, new Dictionary<string, string> { ["Seed"] = "1" });
        old.CheckSame(Identity("1", "CPU"));
        Throws.Saying<InvalidOperationException>(
            () => old.CheckSame(Identity("1", "CPU", "Muon")), "Optimizer was Adam and is Muon");
        Throws.Saying<InvalidOperationException>(
            () => old.CheckSame(Identity("1", "CUDA")), "device was CPU and is CUDA");
        Throws.Saying<InvalidOperationException>(
            () => old.CheckSame(Identity("2", "CPU")), "algorithm was 1 and is 2");

        static Dictionary<string, string> Identity(string algorithm, string device, string optimizer = "Adam") => new()
        {
            ["algorithm"] = algorithm,
            ["device"] = device,
            ["Optimizer"] = optimizer,
            ["Seed"] = "1",
        };
    }

    [TestMethod]
    public void CheckSame_CheckpointFromBeforeThereWereSomeOptions_IsOfATrainingWithoutThem()
    {
        var before = Identity(Plain).Where(entry => !IsNewer(entry.Key)).ToDictionary();
        Assert.HasCount(Identity(Plain).Count - 5, before);
        var old = new Checkpoint("old", 1, before);
        old.CheckSame(Identity(Plain));
        Throws.Saying<InvalidOperationException>(
            () => old.CheckSame(Identity(Plain with { ShiftFraction = 0.1, RotationDegrees = 5, ScaleFraction = 0.2 })),
            "ShiftFraction was 0 and is 0.1; RotationDegrees was 0 and is 5; ScaleFraction was 0 and is 0.2");
        Throws.Saying<InvalidOperationException>(
            () => old.CheckSame(Identity(Plain with { LabelSharing = 1 })), "LabelSharing was 0 and is 1");

        IReadOnlyDictionary<string, string> Identity(ConditionalDiffusionTrainer.Options options) =>
            options.Identity(1, CPU, ScalarType.Float32, new(2, ["cat", "dog"]));

        static bool IsNewer(string option) => option is
            "ShiftFraction" or "RotationDegrees" or "ScaleFraction" or "AugmentationFraction" or "LabelSharing";
    }

    [TestMethod]
    public void Save_LongLabels_CanBeReadAgain()
    {
        using var directory = new TemporaryDirectory();
        using var store = new CheckpointStore(directory.Path, kept: 1, Assert.Fail);
        using var training = new SmallTraining(SmallTraining.Create());
        foreach (var label in new[] { new string('x', 2_000_000), "x" + string.Concat(Enumerable.Repeat("😀", 5000)) })
        {
            var identity = Plain.Identity(1, CPU, ScalarType.Float32, new(1, [label]));
            store.Save(training.Loop.State, identity, lasting: 0);
            store.FindAll().Single().CheckSame(identity);
            Throws.Saying<InvalidOperationException>(
                () => store.FindAll().Single().CheckSame(
                    Plain.Identity(1, CPU, ScalarType.Float32, new(1, [label + "y"]))), "labels was 1 labels (x");
        }
    }

    [TestMethod]
    public void Seed_CheckpointWithout_SaysSo() =>
        Throws.Saying<InvalidOperationException>(
            () => new Checkpoint("file", 1, new Dictionary<string, string>()).Seed, "'file'", "has no seed");

    [TestMethod]
    public void Fit_CheckpointOfAnotherProgram_IsRefused()
    {
        using var directory = new TemporaryDirectory();
        var bytes = new MemoryStream();
        Safetensors.Write(bytes, [], new Dictionary<string, string> { ["Seed"] = "1" });
        var hash = Convert.ToHexStringLower(SHA256.HashData(bytes.ToArray()))[..16];
        File.WriteAllBytes(directory.File($"checkpoint-000000002-{hash}.safetensors"), bytes.ToArray());
        Throws.Saying<InvalidOperationException>(
            () => Train(Plain with { CheckpointDirectory = directory.Path }), "belongs to another training");
    }

    [TestMethod]
    public void Fit_DirectoryOfARunningTraining_RefusesIt()
    {
        using var directory = new TemporaryDirectory();
        var options = Plain with { CheckpointDirectory = directory.Path };
        Exception? refusal = null;
        Tiny.Fit(new(), options with
        {
            Progress = new Reporter(_ =>
                refusal ??= Assert.ThrowsExactly<InvalidOperationException>(() => Train(options))),
        }).Dispose();
        Assert.Contains("another training", refusal!.Message);
    }

    [TestMethod]
    public void Fit_DirectoryIsAFile_SaysSo()
    {
        using var directory = new TemporaryDirectory();
        File.WriteAllText(directory.File("file"), "");
        var options = Plain with { CheckpointDirectory = directory.File("file") };
        var exception = Assert.ThrowsExactly<InvalidOperationException>(() => Train(options));
        Assert.Contains(directory.File("file"), exception.Message);
    }

    [TestMethod]
    public void Fit_Diverged_NamesTheLastGoodCheckpoint()
    {
        using var directory = new TemporaryDirectory();
        var options = Plain with
        {
            CheckpointDirectory = directory.Path,
            CheckpointSteps = 1,
            LearningRate = 4e18, // harmless during the first steps of the warm-up, but not later
            WarmUpSteps = 20,
            Epochs = 20,
        };
        var message = Assert.ThrowsExactly<InvalidOperationException>(() => Train(options)).Message;
        Assert.Contains(" of 40 ", message);
        Assert.Contains("at learning rate ", message);
        Assert.Contains($"The last good checkpoint is '{directory.File(Newest(directory))}'", message);

        options = options with { CheckpointDirectory = null };
        message = Assert.ThrowsExactly<InvalidOperationException>(() => Train(options)).Message;
        Assert.Contains("There is no checkpoint to go back to", message);
    }

    [TestMethod]
    public void Fit_CancelledToReturnTheModel_IsTheTrainingOfThoseSteps()
    {
        using var source = new CancellationTokenSource();
        var options = Plain with { LearningRateDecay = LearningRateDecay.None };
        using var model = Tiny.Fit(new(), options with
        {
            Epochs = 50,
            OnCancellation = CancellationBehavior.ReturnModel,
            CancellationToken = source.Token,
            Progress = new Reporter(progress => CancelAt(progress, 4, source)),
        });
        Assert.AreSequenceEqual(Train(options with { Epochs = 2 }).Weights!, Weights(model));
        Assert.HasCount(1, model.Generate(["1"]));
    }

    /// <summary>A model that has learnt nothing is none.</summary>
    [TestMethod]
    public void Fit_CancelledBeforeTheFirstStep_ThrowsWhateverIsAskedFor()
    {
        using var source = new CancellationTokenSource();
        var options = Plain with
        {
            OnCancellation = CancellationBehavior.ReturnModel,
            CancellationToken = source.Token,
        };
        Assert.ThrowsExactly<OperationCanceledException>(() => Tiny.Fit(new(), options, Images()));

        IEnumerable<Tiny.Image> Images()
        {
            foreach (var image in Tiny.Images) yield return image;
            source.Cancel();
        }
    }

    [TestMethod]
    public void Fit_CheckpointOptionsOutOfRange_NamesThem()
    {
        var options = Plain with
        {
            CheckpointDirectory = " ",
            CheckpointInterval = TimeSpan.Zero,
            CheckpointSteps = -1,
            CheckpointsKept = 0,
            OnCancellation = (CancellationBehavior)7,
        };
        var message = Assert.ThrowsExactly<ArgumentException>(() =>
            new MLContext().ImageGeneration.Trainers.ConditionalDiffusion(options)).Message;
        Assert.Contains("CheckpointDirectory", message);
        Assert.Contains("CheckpointInterval", message);
        Assert.Contains("CheckpointSteps", message);
        Assert.Contains("CheckpointsKept", message);
        Assert.Contains("OnCancellation", message);
    }

    /// <summary>The rate of ten epochs begins to fall after step 16 of 20.</summary>
    private static ConditionalDiffusionTrainer.Options Cooldown(TemporaryDirectory directory) => Plain with
    {
        LearningRateDecay = LearningRateDecay.Cooldown,
        CheckpointDirectory = directory.Path,
        CheckpointsKept = 1,
        Epochs = 10,
    };

    /// <summary>
    /// Returns the final weights of a training, null if it is stopped after a step, and the reported losses.
    /// </summary>
    private static (float[]? Weights, List<double> Losses) Train(
        ConditionalDiffusionTrainer.Options options, long stop = long.MaxValue)
    {
        using var source = new CancellationTokenSource();
        var losses = new List<double>();
        try
        {
            using var model = Tiny.Fit(new(), options with
            {
                CancellationToken = source.Token,
                Progress = new Reporter(progress =>
                {
                    losses.AddRange(
                        progress.Loss,
                        progress.MeanLoss,
                        progress.SmoothedLoss,
                        progress.ValidationLoss ?? 0,
                        progress.LearningRate);
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

    /// <summary>Creates a context whose log is collected.</summary>
    private static MLContext Logging(out List<string> log)
    {
        var ml = new MLContext();
        var lines = new List<string>();
        ml.Log += (_, entry) => lines.Add(entry.Message);
        log = lines;
        return ml;
    }

    /// <summary>Changes one bit of the newest checkpoint, and returns its name.</summary>
    private static string DamageNewest(TemporaryDirectory directory)
    {
        var newest = Newest(directory);
        var bytes = File.ReadAllBytes(directory.File(newest));
        bytes[^5] ^= 1;
        File.WriteAllBytes(directory.File(newest), bytes);
        return newest;
    }

    private static float[] Weights(ConditionalDiffusionTransformer model)
    {
        float[] weights = [];
        model.Generator.UseNetwork(network =>
            weights = [.. network.Parameters.data<float>(), .. network.Buffers.data<float>()]);
        return weights;
    }

    /// <summary>Returns the precision that <see cref="Precision.Auto"/> stands for on this machine.</summary>
    private static Precision AutomaticPrecision() =>
        TorchDevice.ChooseDataType(Precision.Auto, CPU) == ScalarType.BFloat16 ? Precision.BFloat16 : Precision.Float32;

    private static string Newest(TemporaryDirectory directory) => Names(directory, "checkpoint-*.safetensors")[^1];

    private static string[] Names(TemporaryDirectory directory, string pattern) =>
    [
        .. Directory.GetFiles(directory.Path, pattern)
            .Select(file => Path.GetFileName(file))
            .Order(StringComparer.Ordinal),
    ];

    private static IReadOnlyDictionary<string, string> ReadMetadata(TemporaryDirectory directory)
    {
        using var stream = File.OpenRead(directory.File(Newest(directory)));
        return Safetensors.ReadMetadata(stream);
    }
}

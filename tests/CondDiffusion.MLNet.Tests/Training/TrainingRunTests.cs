using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Tests.Support;
using CondDiffusion.MLNet.Training;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Training;

/// <summary>What goes on beside a training's steps.</summary>
[TestClass]
public sealed class TrainingRunTests
{
    [TestMethod]
    public void Run_Reports_CountStepsAndAverageLosses()
    {
        var every = SmallTraining.Train(SmallTraining.Create(epochs: 4)).Reports;
        var hourly = SmallTraining.Create(epochs: 4) with { ReportInterval = TimeSpan.FromHours(1) };
        var rare = SmallTraining.Train(hourly).Reports;

        Assert.AreSequenceEqual(Enumerable.Range(1, 12), every.Select(report => (int)report.Step));
        Assert.AreSequenceEqual([3L, 6L, 9L, 12L], rare.Select(report => report.Step));
        Assert.AreSequenceEqual([1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4], every.Select(report => report.Epoch));
        Assert.IsTrue(every.All(report => report is { Epochs: 4, Steps: 12, StepsPerEpoch: 3 }));
        Assert.IsTrue(every.All(report => report is { LearningRate: 5e-3, GradientNorm: > 0, ImagesPerSecond: > 0 }));
        Assert.AreEqual(TimeSpan.Zero, every[^1].TimeLeft);

        var losses = every.Select(report => report.Loss).ToArray();
        for (var epoch = 0; epoch < 4; epoch++)
        {
            // The third batch has two images.
            var first = 3 * epoch;
            var mean = (4 * losses[first] + 4 * losses[first + 1] + 2 * losses[first + 2]) / 10;
            Assert.AreEqual(losses[first], every[first].MeanLoss, 1e-9);
            Assert.AreEqual(mean, every[first + 2].MeanLoss, 1e-9);
            Assert.AreEqual(mean, rare[epoch].MeanLoss, 1e-9);
        }

        var smoothed = 0.0;
        for (var i = 0; i < losses.Length; i++)
        {
            smoothed = 0.98 * smoothed + 0.02 * losses[i];
            Assert.AreEqual(smoothed / (1 - Math.Pow(0.98, i + 1)), every[i].SmoothedLoss, 1e-9);
        }

        Assert.AreEqual(every[11].SmoothedLoss, rare[3].SmoothedLoss, 1e-9);
    }

    [TestMethod]
    public void Run_ReportInterval_BeginsAnewAtEachReport()
    {
        var clock = new ManualClock();
        var settings = SmallTraining.Create(epochs: 1, batchSize: 1) with
        {
            ReportInterval = TimeSpan.FromSeconds(2.5),
            Clock = clock,
        };
        using var training = new SmallTraining(settings);
        var reports = training.Run(Advancing(clock, seconds: 1));

        // Step n ends at second n - 1.
        Assert.AreSequenceEqual([4L, 7L, 10L], reports.Select(report => report.Step));
        Assert.AreEqual(4.0 / 3, reports[0].ImagesPerSecond, 1e-9);
        Assert.AreEqual(TimeSpan.FromSeconds(4.5), reports[0].TimeLeft, "6 images at 4/3 images a second");
        Assert.AreEqual(10.0 / 9, reports[2].ImagesPerSecond, 1e-9);
    }

    [TestMethod]
    public void Run_MoreTimeLeftThanATimeSpanHolds_ReportsTheMost()
    {
        var clock = new ManualClock();
        using var training = new SmallTraining(SmallTraining.Create(epochs: int.MaxValue) with { Clock = clock });
        var advance = Advancing(clock, seconds: 1000);
        var reports = training.Run(() => advance() || training.Loop.State.Step == 3);
        Assert.AreEqual(3L * int.MaxValue, reports[0].Steps);
        Assert.AreEqual(TimeSpan.MaxValue, reports[^1].TimeLeft);
    }

    [TestMethod]
    public void Run_MoreSilentStepsThanTheMeterHolds_AveragesAllOfThem()
    {
        var silent = SmallTraining.Create(epochs: 1, batchSize: 1) with { ReportInterval = TimeSpan.FromHours(1) };
        var losses = SmallTraining.Train(silent with { ReportInterval = TimeSpan.Zero }).Reports
            .Select(report => report.Loss)
            .ToArray();

        using var training = new SmallTraining(silent);
        var reports = new List<TrainingProgress>();
        var run = new TrainingRun(training.Loop, training.Images, silent, training.Plan)
        {
            Report = reports.Add,
            UnreadLosses = 4,
        };
        run.Run();

        Assert.HasCount(10, losses);
        Assert.AreEqual(losses.Average(), reports.Single().MeanLoss, 1e-9);
        Assert.AreEqual(losses[^1], reports.Single().Loss);
    }

    [TestMethod]
    public void Run_HeldOutImages_HaveNoPartInTheTraining()
    {
        // Of ten different images exactly two can be others without a change of one bit.
        float[][] images = [.. Enumerable.Range(0, 10).Select(i => Enumerable.Range(0, 64)
            .Select(pixel => MathF.Sin(i + pixel * (i + 1))).ToArray())];
        var settings = SmallTraining.Create() with { ValidationFraction = 0.2 };
        var (expected, reports) = SmallTraining.Train(settings, SmallTraining.Store(images));

        var replaceable = Enumerable.Range(0, 10).Where(i =>
        {
            float[][] others = [.. images];
            others[i] = [.. images[i].Select(pixel => -pixel)];
            var (weights, _) = SmallTraining.Train(settings, SmallTraining.Store(others));
            return expected.SequenceEqual(weights);
        });
        using var store = SmallTraining.Store(images);
        Assert.AreSequenceEqual(new EpochPlan(store, settings).HeldOut.ToArray().Order(), replaceable);

        Assert.HasCount(4, reports, "8 of 10 images in batches of 4");
        Assert.IsTrue(reports.All(report => report.EndsEpoch == report.ValidationLoss.HasValue));
    }

    [TestMethod]
    public void Run_ValidationLoss_IsThatOfTheAveragedWeights()
    {
        var settings = SmallTraining.Create() with { ValidationFraction = 0.2, MovingAverageLengths = [0.1] };
        using var training = new SmallTraining(settings);
        var reported = training.Run()[^1].ValidationLoss!.Value;

        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var noise = new Generator(0, CPU);
        using var batch = new Batch(training.Network.ImageSize, 2);
        batch.Fill(training.Images, training.Plan.HeldOut.Span);
        var (x0, labels) = batch.To(CPU);
        noise.manual_seed((long)SeedStream.ValidationNoise(settings.Seed, 0));
        var (t, eps) = training.Loss.DrawNoise(noise, x0);
        var (parameters, buffers) = training.Loop.Averaged;
        using var averaged = training.Network.CopyWith(parameters, buffers);

        Assert.AreEqual(Loss(averaged), reported, 1e-6);
        Assert.AreNotEqual(Loss(training.Network), reported, 1e-4);

        double Loss(ConditionalUNet network)
        {
            var schedule = NoiseSchedule.Linear(SmallTraining.Timesteps);
            using var loss = settings.CreateLoss(network, schedule);
            return loss.Compute(x0, t, eps, labels, training: false).item<float>();
        }
    }

    [TestMethod]
    public void Run_SeveralAverages_EndsWithTheOneOfTheLowestValidationLoss()
    {
        // Long averages still hold the first weights, so that the best one is not the first.
        var settings = SmallTraining.Create(epochs: 5) with
        {
            ValidationFraction = 0.2,
            MovingAverageLengths = [0.28, 0.1, 0.01],
        };
        using var training = new SmallTraining(settings);
        var reported = training.Run()[^1].ValidationLoss!.Value;

        var losses = settings.MovingAverageLengths.Select(length =>
        {
            using var single = new SmallTraining(settings with { MovingAverageLengths = [length] });
            var loss = single.Run()[^1].ValidationLoss!.Value;
            single.Loop.Finish();
            return (Loss: loss, Weights: single.Weights);
        }).ToArray();

        var best = losses.MinBy(average => average.Loss);
        Assert.AreEqual(best.Loss, reported);
        Assert.AreNotEqual(losses[0].Loss, reported);
        training.Loop.Finish();
        Assert.AreSequenceEqual(best.Weights, training.Weights);
    }

    [TestMethod]
    public void Validate_LaterStep_HasTheSameNoise()
    {
        using var training = new SmallTraining(SmallTraining.Create() with { ValidationFraction = 0.5 });
        var first = training.Loop.Validate(training.Images, training.Plan, () => false);
        training.Loop.State.Step = 3;
        Assert.AreEqual(first, training.Loop.Validate(training.Images, training.Plan, () => false));
    }

    [TestMethod]
    public void Run_StoppedWithinTheValidation_StopsAtTheNextBatchAndKeepsTheWeights()
    {
        var settings = SmallTraining.Create(epochs: 5, batchSize: 2) with
        {
            ValidationFraction = 0.5,
            MovingAverageLengths = [0.1],
        };
        using var training = new SmallTraining(settings);
        var asked = 0;

        // Asked before the first step, after each of two, and before the first two batches of the validation.
        var reports = training.Run(() => ++asked >= 5);

        Assert.AreEqual(6, asked, "and once more, since it goes on stopping");
        Assert.AreEqual(3, training.Loop.State.Step);
        Assert.IsTrue(reports[^1].EndsEpoch);
        Assert.IsNull(reports[^1].ValidationLoss);

        using var plain = new SmallTraining(settings with { Epochs = 1, ValidationFraction = 0.5 });
        plain.Run();
        Assert.AreSequenceEqual(plain.Weights, training.Weights);
    }

    [TestMethod]
    public void Run_StoppedBefore_DoesNothing()
    {
        using var training = new SmallTraining(SmallTraining.Create());
        var before = training.Weights;
        Assert.IsEmpty(training.Run(() => true));
        Assert.AreEqual(0, training.Loop.State.Step);
        Assert.AreSequenceEqual(before, training.Weights);
    }

    /// <summary>Which average is the best one, the validation after the last step decides, whoever does it.</summary>
    [TestMethod]
    public void Run_StoppedInTheLastValidation_ChoosesTheAverageWhenItIsResumed()
    {
        var settings = SmallTraining.Create(epochs: 5) with
        {
            ValidationFraction = 0.2,
            MovingAverageLengths = [0.28, 0.1, 0.01],
        };
        using var whole = new SmallTraining(settings);
        whole.Run();

        using var directory = new TemporaryDirectory();
        using var store = new CheckpointStore(directory.Path, kept: 1, Fail);
        var writer = WriteWhenItEnds(store);
        using var stopped = new SmallTraining(settings);
        var state = stopped.Loop.State;
        stopped.Run(() => state.Step == 10 && !state.IsConsistent, writer);
        Assert.AreEqual(8, state.BestStep);

        using var resumed = new SmallTraining(settings);
        CheckpointStore.Read(store.FindAll()[0], resumed.Loop.State);
        resumed.Loop.State.Best = (whole.Loop.State.Best + 1) % 3;
        resumed.Run();
        Assert.AreEqual((whole.Loop.State.Best, 10L), (resumed.Loop.State.Best, resumed.Loop.State.BestStep));
    }

    [TestMethod]
    public void Validate_ALastBatchOfOne_IsTheMeanOverTheImages()
    {
        using var training = new SmallTraining(SmallTraining.Create(batchSize: 4) with { ValidationFraction = 0.5 });
        var heldOut = training.Plan.HeldOut.ToArray();
        Assert.HasCount(5, heldOut);
        var four = Loss(heldOut[..4], 0);
        var one = Loss(heldOut[4..], 1);
        Assert.AreNotEqual(four, one, 0.01);
        Assert.AreEqual(
            (4 * four + one) / 5, training.Loop.Validate(training.Images, training.Plan, () => false)!.Value, 1e-6);

        double Loss(int[] images, long number)
        {
            using var scope = NewDisposeScope();
            using var noGrad = no_grad();
            using var noise = new Generator(SeedStream.ValidationNoise(training.Settings.Seed, number), CPU);
            using var batch = new Batch(training.Network.ImageSize, images.Length);
            batch.Fill(training.Images, images);
            return training.Loss.Compute(batch, noise, training: false).item<float>();
        }
    }

    [TestMethod]
    public void Run_LossNotFiniteAmongSeveralUnread_NamesItsStep()
    {
        var settings = SmallTraining.Create(epochs: 1, batchSize: 1, learningRate: 1e30) with
        {
            ReportInterval = TimeSpan.FromHours(1),
        };
        using var watched = new SmallTraining(settings);
        var first = watched.Loop.Steps(watched.Images, watched.Plan)
            .First(step => !float.IsFinite(step.Loss.item<float>())).Number;
        Assert.IsLessThanOrEqualTo(4, first);

        using var training = new SmallTraining(settings);
        var run = new TrainingRun(training.Loop, training.Images, settings, training.Plan)
        {
            Report = _ => { },
            UnreadLosses = 4,
        };
        Throws.Saying<InvalidOperationException>(run.Run, $"the loss at step {first} of 10 is ");
    }

    /// <summary>The averages are behind the weights then.</summary>
    [TestMethod]
    public void Run_EndedWithinAnUpdate_LeavesNoCheckpoint()
    {
        using var directory = new TemporaryDirectory();
        using var training = new SmallTraining(SmallTraining.Create() with { MovingAverageLengths = [0.1] });
        using var store = new CheckpointStore(directory.Path, kept: 3, Fail);
        var writer = WriteWhenItEnds(store);
        training.Loop.State.Averages[0].Dispose();
        Assert.Throws<Exception>(() => training.Run(checkpoints: writer));
        Assert.AreEqual((1L, false), (training.Loop.State.Step, training.Loop.State.IsConsistent));
        Assert.IsEmpty(Steps(directory));
    }

    /// <summary>In training, the loss is that of the batch's statistics, whatever the running ones are.</summary>
    [TestMethod]
    public void Run_BatchNormStatisticsNotFinite_SaysSo()
    {
        using var scope = NewDisposeScope();
        using var training = new SmallTraining(SmallTraining.Create(epochs: 1, batchSize: 10));
        training.Network.Buffers.fill_(double.PositiveInfinity);
        Throws.Saying<InvalidOperationException>(
            () => training.Run(), "the norm of the weights after step 1 of 1 is not finite");
    }

    /// <summary>In .NET's order, NaN is below every number.</summary>
    [TestMethod]
    public void Validate_LossOfAnAverageIsNotANumber_ChoosesAnother()
    {
        using var scope = NewDisposeScope();
        using var training = new SmallTraining(SmallTraining.Create() with
        {
            ValidationFraction = 0.2,
            MovingAverageLengths = [0.28, 0.1],
        });
        training.Loop.State.Averages[0].Parameters.fill_(double.NaN);
        var loss = training.Loop.Validate(training.Images, training.Plan, () => false)!.Value;
        Assert.IsTrue(double.IsFinite(loss));
        Assert.AreEqual(1, training.Loop.State.Best);
    }

    [TestMethod]
    public void Run_LossNotFinite_SaysStepAndLearningRate() =>
        Throws.Saying<InvalidOperationException>(
            () => SmallTraining.Train(SmallTraining.Create(epochs: 20, learningRate: 1e30)), "1E+30", "step");

    [TestMethod]
    public void Run_WeightsNotFiniteAfterAFiniteLoss_SaysSo() =>
        Throws.Saying<InvalidOperationException>(
            () => SmallTraining.Train(SmallTraining.Create(epochs: 1, batchSize: 10, learningRate: 3e37)),
            "the norm of the weights after step 1 of 1 is not finite", "3E+37");

    [TestMethod]
    public void Run_FourByFourImages_HasFiniteStatisticsWhateverIsLeftForTheLastBatch()
    {
        var shape = new UNetShape(1, 4, 4, Labels: 2, EmbeddingSize: 4, [2, 2, 2]);
        for (var count = 4; count <= 6; count++)
        {
            using var images = SmallTraining.Store(Enumerable.Repeat(new float[16], count));
            var (weights, reports) = SmallTraining.Train(SmallTraining.Create(batchSize: 4), images, shape);
            Assert.IsTrue(weights.All(float.IsFinite));
            Assert.HasCount(count == 6 ? 4 : 2, reports);
        }

        using var one = SmallTraining.Store([new float[16]]);
        Throws.Saying<InvalidOperationException>(
            () => SmallTraining.Train(SmallTraining.Create(), one, shape), "a batch of at least 2");
    }

    [TestMethod]
    public void Run_CheckpointInterval_BringsOneDueByTime()
    {
        using var directory = new TemporaryDirectory();
        var clock = new ManualClock();
        using var training = new SmallTraining(SmallTraining.Create(epochs: 1, batchSize: 1) with { Clock = clock });
        using var store = new CheckpointStore(directory.Path, kept: 99, Fail);
        var writer = new CheckpointWriter(
            store, NoIdentity, 1, long.MaxValue, TimeSpan.FromSeconds(10), steps: 0, clock, Fail);

        training.Run(Advancing(clock, seconds: 4), writer);

        // Step n is followed by second 4n; the tenth is the last.
        Assert.AreSequenceEqual([3L, 6L, 9L, 10L], Steps(directory));
    }

    [TestMethod]
    public void Run_CheckpointSteps_CountsFromTheLastTry()
    {
        using var directory = new TemporaryDirectory();
        using var training = new SmallTraining(SmallTraining.Create(epochs: 1, batchSize: 1));
        using var store = new CheckpointStore(directory.Path, kept: 99, Fail);
        var warnings = new List<string>();
        var writer = new CheckpointWriter(
            store, NoIdentity, 1, long.MaxValue, TimeSpan.FromHours(1), steps: 3, TimeProvider.System, warnings.Add);

        training.Run(checkpoints: writer, report: report =>
        {
            if (report.Step == 2) Directory.Delete(directory.Path, recursive: true);
            if (report.Step == 4) Directory.CreateDirectory(directory.Path);
        });

        Assert.AreSequenceEqual([6L, 9L, 10L], Steps(directory));
        Assert.HasCount(1, warnings);
        Assert.Contains("The checkpoint of step 3 could not be written, and the training continues", warnings[0]);
    }

    [TestMethod]
    public void Run_WritingFailsAgainAfterItSucceeded_WarnsAgain()
    {
        using var directory = new TemporaryDirectory();
        var path = directory.File("checkpoints");
        using var training = new SmallTraining(SmallTraining.Create(epochs: 1, batchSize: 1));
        using var store = new CheckpointStore(path, kept: 99, Fail);
        var warnings = new List<string>();
        var writer = new CheckpointWriter(
            store, NoIdentity, 1, long.MaxValue, TimeSpan.FromHours(1), steps: 1, TimeProvider.System, warnings.Add);

        training.Run(checkpoints: writer, report: report =>
        {
            if (report.Step is 2 or 6) Directory.Delete(path, recursive: true);
            if (report.Step is 4 or 8) Directory.CreateDirectory(path);
        });

        Assert.HasCount(2, warnings);
        Assert.Contains("The checkpoint of step 2 could not be written, and the training continues", warnings[0]);
        Assert.Contains("The checkpoint of step 6 could not be written, and the training continues", warnings[1]);
    }

    /// <summary>The losses since the last report are nowhere but on the device.</summary>
    [TestMethod]
    public void Run_StoppedBetweenReports_ResumesWithTheLossesOfTheEpoch()
    {
        var settings = SmallTraining.Create(epochs: 1);
        var losses = SmallTraining.Train(settings).Reports.Select(report => report.Loss).ToArray();
        var rare = settings with { ReportInterval = TimeSpan.FromHours(1) };
        using var directory = new TemporaryDirectory();
        using var store = new CheckpointStore(directory.Path, kept: 1, Fail);
        var writer = WriteWhenItEnds(store);
        using var stopped = new SmallTraining(rare);
        Assert.IsEmpty(stopped.Run(() => stopped.Loop.State.Step == 2, writer));

        using var resumed = new SmallTraining(rare);
        CheckpointStore.Read(store.FindAll()[0], resumed.Loop.State);
        var last = resumed.Run().Single();
        Assert.AreEqual(3, last.Step);
        Assert.AreEqual((4 * losses[0] + 4 * losses[1] + 2 * losses[2]) / 10, last.MeanLoss, 1e-9);
    }

    /// <summary>Until a new checkpoint is there, the old ones are all that is left of a training.</summary>
    [TestMethod]
    public void Save_WritingFails_DeletesNoOlderCheckpoint()
    {
        using var directory = new TemporaryDirectory();
        using var store = new CheckpointStore(directory.Path, kept: 1, Fail);
        var training = new SmallTraining(SmallTraining.Create());
        store.Save(training.Loop.State, NoIdentity, lasting: 0);
        var before = Directory.GetFiles(directory.Path, "checkpoint-*");
        Assert.HasCount(1, before);

        training.Run();
        training.Dispose();
        Assert.Throws<Exception>(() => store.Save(training.Loop.State, NoIdentity, lasting: 0));
        Assert.AreSequenceEqual(before, Directory.GetFiles(directory.Path, "checkpoint-*"));
    }

    [TestMethod]
    public void Run_EndedByAnException_LeavesACheckpointAndPassesItOn()
    {
        using var directory = new TemporaryDirectory();
        using var training = new SmallTraining(SmallTraining.Create());
        using var store = new CheckpointStore(directory.Path, kept: 3, Fail);
        var writer = WriteWhenItEnds(store);

        Assert.ThrowsExactly<NotSupportedException>(() => training.Run(checkpoints: writer, report: report =>
        {
            if (report.Step == 5) throw new NotSupportedException();
        }));

        Assert.AreSequenceEqual([5L], Steps(directory));
        using var resumed = new SmallTraining(SmallTraining.Create());
        CheckpointStore.Read(store.FindAll()[0], resumed.Loop.State);
        resumed.Run();
        Assert.AreSequenceEqual(SmallTraining.Train(SmallTraining.Create()).Weights, resumed.Weights);
    }

    /// <summary>The error comes before anybody has looked at the weights.</summary>
    [TestMethod]
    public void Run_EndedByAnExceptionAfterItDiverged_LeavesNoCheckpoint()
    {
        var settings = SmallTraining.Create(batchSize: 5, learningRate: 3e37) with
        {
            ReportInterval = TimeSpan.FromHours(1),
        };
        using var directory = new TemporaryDirectory();
        using var training = new SmallTraining(settings);
        using var store = new CheckpointStore(directory.Path, kept: 3, Fail);
        var warnings = new List<string>();
        var writer = new CheckpointWriter(
            store, NoIdentity, 1, long.MaxValue, TimeSpan.FromHours(1), 0, TimeProvider.System, warnings.Add);

        Assert.ThrowsExactly<NotSupportedException>(() => training.Run(
            stops: () => training.Loop.State.Step == 0 ? false : throw new NotSupportedException(),
            checkpoints: writer));

        Assert.IsEmpty(Steps(directory));
        Assert.Contains("The last checkpoint, of step 1, could not be written: Training diverged", warnings.Single());
    }

    /// <summary>In a validation the network has the averaged weights, and the checkpoint has its own.</summary>
    [TestMethod]
    public void Run_EndedByAnExceptionInAValidation_LeavesACheckpoint()
    {
        var settings = SmallTraining.Create() with { ValidationFraction = 0.2, MovingAverageLengths = [0.2] };
        using var directory = new TemporaryDirectory();
        using var training = new SmallTraining(settings);
        using var store = new CheckpointStore(directory.Path, kept: 3, Fail);
        var writer = WriteWhenItEnds(store);

        Assert.ThrowsExactly<NotSupportedException>(() => training.Run(
            stops: () => training.Loop.State.IsConsistent ? false : throw new NotSupportedException(),
            checkpoints: writer));

        Assert.AreSequenceEqual([2L], Steps(directory));
        using var resumed = new SmallTraining(settings);
        CheckpointStore.Read(store.FindAll()[0], resumed.Loop.State);
        resumed.Run();
        resumed.Loop.Finish();
        Assert.AreSequenceEqual(SmallTraining.Train(settings).Weights, resumed.Weights);
    }

    [TestMethod]
    public void Run_EndedByAnExceptionAndNoCheckpoint_PassesItOnAndWarns()
    {
        using var directory = new TemporaryDirectory();
        using var training = new SmallTraining(SmallTraining.Create());
        using var store = new CheckpointStore(directory.File("checkpoints"), kept: 3, Fail);
        var warnings = new List<string>();
        var writer = new CheckpointWriter(
            store, NoIdentity, 1, long.MaxValue, TimeSpan.FromHours(1), 0, TimeProvider.System, warnings.Add);

        Assert.ThrowsExactly<NotSupportedException>(() => training.Run(checkpoints: writer, report: _ =>
        {
            Directory.Delete(directory.File("checkpoints"), recursive: true);
            throw new NotSupportedException();
        }));

        Assert.Contains("The last checkpoint, of step 1, could not be written", warnings.Single());
    }

    private static Dictionary<string, string> NoIdentity { get; } = [];

    /// <summary>Writes a checkpoint when a training ends, and none before.</summary>
    private static CheckpointWriter WriteWhenItEnds(CheckpointStore store) =>
        new(store, NoIdentity, 1, long.MaxValue, TimeSpan.FromHours(1), 0, TimeProvider.System, Fail);

    /// <summary>Returns an answer to whether to stop, which is no, and at which time passes.</summary>
    private static Func<bool> Advancing(ManualClock clock, double seconds)
    {
        var started = false;
        return () =>
        {
            // The first question comes before the first step.
            if (started) clock.Advance(seconds);
            started = true;
            return false;
        };
    }

    private static void Fail(string warning) => Assert.Fail(warning);

    private static IEnumerable<long> Steps(TemporaryDirectory directory) =>
        Directory.GetFiles(directory.Path, "checkpoint-*.safetensors")
            .Select(file => long.Parse(Path.GetFileName(file).Split('-')[1], null))
            .Order();
}

using System.Runtime.InteropServices;
using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Tests.Parity;
using CondDiffusion.MLNet.Tests.Support;
using CondDiffusion.MLNet.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Training;

[TestClass]
public sealed class TrainingLoopTests
{
    [TestMethod]
    public void Update_GoldenInputs_EqualsTheReferenceLossesAndBuffers()
    {
        using var scope = NewDisposeScope();
        using var golden = new SeedUNet();
        using var network = SeedUNet.CreateNetwork();
        var settings = SmallTraining.Create(1, 2);
        var diffusion = settings.CreateLoss(network, NoiseSchedule.Linear(1000));
        using var loop = new TrainingLoop(network, diffusion, settings);
        var x0 = 0.9 * SeedUNet.Wave(202, 2, 1, 32, 32);
        var eps = 1.2 * SeedUNet.Wave(303, 2, 1, 32, 32);

        Tensor Loss() => diffusion.Compute(x0, SeedUNet.Timesteps, eps, SeedUNet.Labels, training: true);
        var first = loop.Update(Loss, 5e-4).Loss.item<float>();
        Assert.AreEqual(golden.Number("train_loss"), first, 1e-6);

        // Adam's first step follows the sign of every gradient, including those that are only rounding noise. It lowers
        // the loss from 0.951, and processors differ by 1.5e-3.
        var second = loop.Update(Loss, 5e-4).Loss.item<float>();
        Assert.AreEqual(golden.Number("train_loss_after_one_adam_step"), second, 2e-3);

        var buffers = network.StateDict().ToDictionary(pair => pair.Entry.Name, pair => pair.Values);
        var mean = buffers["down1.convs.1.running_mean"].narrow(0, 0, 8);
        TensorAssert.AreClose(golden["running_mean_down1_bn1_after"], mean, 5e-5);
    }

    [TestMethod]
    public void Gradient_GoldenInputs_HasTheReferenceNorms()
    {
        using var scope = NewDisposeScope();
        using var golden = new SeedUNet();
        using var network = SeedUNet.CreateNetwork();
        using var diffusionLoss = SmallTraining.Create().CreateLoss(network, NoiseSchedule.Linear(1000));
        var x0 = 0.9 * SeedUNet.Wave(202, 2, 1, 32, 32);
        var eps = 1.2 * SeedUNet.Wave(303, 2, 1, 32, 32);
        var loss = diffusionLoss.Compute(x0, SeedUNet.Timesteps, eps, SeedUNet.Labels, training: true);
        var gradient = autograd.grad([loss], [network.Parameters])[0];

        var parameters = SeedUNet.Shape.Tensors().Where(entry => !entry.IsBuffer).ToList();
        var norms = parameters
            .Zip(gradient.split([.. parameters.Select(entry => entry.Length)]))
            .ToDictionary(pair => pair.First.Name, pair => pair.Second.norm().item<float>());

        // With the golden weights many activations are so close to the corner of a ReLU that rounding, or 1e-6 on the
        // input, flips some of them: the default layout agrees to 5e-4, channels-last to 15%. With random weights the
        // two layouts agree to 3e-3.
        foreach (var (name, expected) in golden.Table<double>("grad_norm"))
            Assert.AreEqual(expected, norms[name], 0.15 * expected + 1e-6, name);
    }

    [TestMethod]
    public void Steps_EveryOptionOff_IsThePublishedAlgorithm()
    {
        using var training = new SmallTraining(SmallTraining.Create());
        foreach (var step in training.Loop.Steps(training.Images, training.Plan)) step.Dispose();
        training.Loop.Finish();

        // Algorithm 1 of Ho et al. 2020, from the tested parts.
        using var scope = NewDisposeScope();
        using var network = ConditionalUNet.Create(SmallTraining.Shape, CPU, seed: 3);
        using var adam = new Adam(network.Parameters);
        using var loss = SmallTraining.Create().CreateLoss(network, NoiseSchedule.Linear(SmallTraining.Timesteps));
        using var noise = new Generator(0, CPU);
        for (var step = 0; step < 6; step++)
        {
            var rows = training.Plan.RestOfEpoch(step)[..(step % 3 == 2 ? 2 : 4)];
            using var batch = new Batch(network.ImageSize, 4);
            batch.Fill(training.Images, rows.Span);
            var (x0, labels) = batch.To(CPU);
            noise.manual_seed((long)SeedStream.StepNoise(3, step));
            var (t, eps) = training.Loss.DrawNoise(noise, x0);
            var gradient = autograd.grad([loss.Compute(x0, t, eps, labels, training: true)], [network.Parameters])[0];
            adam.Step(gradient, 5e-3, step + 1);
        }

        float[] expected = [.. network.Parameters.data<float>(), .. network.Buffers.data<float>()];
        Assert.AreSequenceEqual(expected, training.Weights);
    }

    [TestMethod]
    public void Steps_SameSeed_GivesTheSameWeightsAndLosses()
    {
        var (weights, reports) = SmallTraining.Train(SmallTraining.Create(seed: 3));
        var (again, reportsAgain) = SmallTraining.Train(SmallTraining.Create(seed: 3));
        var (other, _) = SmallTraining.Train(SmallTraining.Create(seed: 4));
        Assert.AreSequenceEqual(weights, again);
        Assert.AreSequenceEqual(reports.Select(report => report.Loss), reportsAgain.Select(report => report.Loss));
        Assert.AreNotEqual(weights[0], other[0]);
    }

    [TestMethod]
    public void Steps_FewImages_LowersTheLoss()
    {
        var losses = Losses(SmallTraining.Create(epochs: 40));
        Assert.IsLessThan(0.7 * losses[..8].Average(), losses[^8..].Average());
    }

    [TestMethod]
    public void Steps_Finished_LeavesNoTensor()
    {
        SmallTraining.Train(SmallTraining.Create(seed: 1));
        var before = TensorAssert.Count();
        SmallTraining.Train(SmallTraining.Create(seed: 1));
        Assert.AreEqual(before, TensorAssert.Count());
    }

    [TestMethod]
    public void Steps_LeftAfterAStep_LeavesNoTensorAndResumesThereToTheSameWeights()
    {
        var expected = SmallTraining.Train(SmallTraining.Create()).Weights;
        for (var stop = 1; stop < 6; stop++)
        {
            using var training = new SmallTraining(SmallTraining.Create());
            var alive = TensorAssert.Count();
            foreach (var step in training.Loop.Steps(training.Images, training.Plan))
                if (step.Number == stop) break;
            Assert.AreEqual(stop, training.Loop.State.Step);
            Assert.AreEqual(alive, TensorAssert.Count());

            foreach (var step in training.Loop.Steps(training.Images, training.Plan))
                Assert.IsTrue(float.IsFinite(step.Loss.item<float>()));
            Assert.AreSequenceEqual(expected, training.Weights);
        }
    }

    [TestMethod]
    public void Steps_CallersDisposeScope_KeepsWhatItHolds()
    {
        using var training = new SmallTraining(SmallTraining.Create());
        using var scope = NewDisposeScope();
        var losses = new List<Tensor>();
        foreach (var step in training.Loop.Steps(training.Images, training.Plan)) losses.Add(step.Loss.clone());
        Assert.HasCount(6, losses);
        Assert.IsTrue(losses.All(loss => loss.item<float>() > 0));
    }

    [TestMethod]
    public void Steps_CallersNoGrad_MakesNoDifference()
    {
        var expected = SmallTraining.Train(SmallTraining.Create()).Weights;
        using var noGrad = no_grad();
        Assert.AreSequenceEqual(expected, SmallTraining.Train(SmallTraining.Create()).Weights);
        Assert.IsFalse(is_grad_enabled());
    }

    [TestMethod]
    public void Steps_BetweenThem_LeaveTheDeviceAndTheGradientModeToTheCaller()
    {
        using var training = new SmallTraining(SmallTraining.Create());
        foreach (var step in training.Loop.Steps(training.Images, training.Plan))
        {
            using var cancelled = new CancellationTokenSource(TimeSpan.FromSeconds(5));
            using var turn = DeviceGate.For(CPU).Enter(cancelled.Token);
            Assert.IsTrue(is_grad_enabled());
        }
    }

    [TestMethod]
    public void StepsAndValidate_WhileTheyCompute_HaveTheDevice()
    {
        var settings = SmallTraining.Create(epochs: 1, batchSize: 10) with { ValidationFraction = 0.5 };
        using var network = ConditionalUNet.Create(SmallTraining.Shape, CPU, seed: 3);
        using var images = SmallTraining.PlainImages();
        var plan = new EpochPlan(images, settings);
        var computed = 0;
        using var loop = new TrainingLoop(network, new WatchedLoss(network, CheckDeviceIsTaken), settings);
        foreach (var step in loop.Steps(images, plan)) step.Dispose();
        loop.Validate(images, plan, () => false);
        Assert.AreEqual(2, computed);

        void CheckDeviceIsTaken()
        {
            computed++;
            using var cancelled = new CancellationTokenSource(TimeSpan.FromMilliseconds(20));
            Assert.Throws<OperationCanceledException>(() => DeviceGate.For(CPU).Enter(cancelled.Token).Dispose());
        }
    }

    [TestMethod]
    public void Steps_EachOptionOn_ChangesTheWeights()
    {
        var plain = SmallTraining.Train(SmallTraining.Create()).Weights;
        DiffusionSettings[] variants =
        [
            SmallTraining.Create() with { Target = PredictionTarget.Velocity },
            SmallTraining.Create() with { MinSnrGamma = 5 },
            SmallTraining.Create() with { LabelDropout = 0.5 },
            SmallTraining.Create() with { GradientClipNorm = 0.01 },
            SmallTraining.Create() with { MovingAverageLengths = [0.1] },
            SmallTraining.Create() with { LearningRate = new(5e-3, 3, LearningRateDecay.None) },
            SmallTraining.Create() with { LearningRate = new(5e-3, 0, LearningRateDecay.Cosine) },
            SmallTraining.Create() with { Type = ScalarType.BFloat16 },
        ];
        foreach (var variant in variants)
            Assert.IsFalse(plain.SequenceEqual(SmallTraining.Train(variant).Weights), $"{variant}");
    }

    [TestMethod]
    public void Steps_BFloat16_HasTheLossesOfFloat32()
    {
        var expected = Losses(SmallTraining.Create(epochs: 10));
        var actual = Losses(SmallTraining.Create(epochs: 10) with { Type = ScalarType.BFloat16 });
        Assert.AreEqual(expected[0], actual[0], 0.01, "before the two diverge");
        Assert.AreEqual(expected.Average(), actual.Average(), 0.03 * expected.Average());
    }

    [TestMethod]
    public void Steps_MovingAverage_IsTheRecurrenceOverTheWeightsAfterEachStep()
    {
        const double Gamma = 1.826214; // whose profile has the length 0.2
        using var training = new SmallTraining(SmallTraining.Create() with { MovingAverageLengths = [0.2] });
        var expected = training.Parameters.Select(value => (double)value).ToArray();
        foreach (var step in training.Loop.Steps(training.Images, training.Plan))
        {
            var kept = Math.Pow(1 - 1.0 / step.Number, Gamma + 1);
            var weights = training.Parameters;
            for (var i = 0; i < expected.Length; i++) expected[i] = kept * expected[i] + (1 - kept) * weights[i];
        }

        // A step changes most weights by the learning rate, 5e-3.
        var average = training.Loop.State.Average!.Parameters.data<float>().ToArray();
        for (var i = 0; i < expected.Length; i++) Assert.AreEqual(expected[i], average[i], 1e-5);
        training.Loop.Finish();
        Assert.AreSequenceEqual(average, training.Parameters);
    }

    [TestMethod]
    public void Steps_WarmUp_BeginsWithTheFirstFractionOfTheRate()
    {
        var settings = SmallTraining.Create() with { LearningRate = new(8e-3, 4, LearningRateDecay.None) };
        using var training = new SmallTraining(settings);
        var rates = new List<double>();
        var before = training.Parameters;
        var largest = 0.0;
        foreach (var step in training.Loop.Steps(training.Images, training.Plan))
        {
            rates.Add(Math.Round(step.LearningRate, 12));
            if (step.Number == 1) largest = training.Parameters.Zip(before, (a, b) => Math.Abs(a - b)).Max();
        }

        Assert.AreSequenceEqual([2e-3, 4e-3, 6e-3, 8e-3, 8e-3, 8e-3], rates);
        Assert.AreEqual(2e-3, largest, 1e-5, "Adam's first step moves each weight by the rate");
    }

    [TestMethod]
    public void Update_ClippedGradient_MovesLikeTheShortenedOne()
    {
        using var scope = NewDisposeScope();
        var plain = FirstMoment(clip: 0, out var norm);
        var clipped = FirstMoment(norm / 4, out var normBeforeClipping);
        Assert.AreEqual(norm, normBeforeClipping, 1e-5);
        TensorAssert.AreClose((plain / 4).data<float>().ToArray(), clipped, 1e-6);
    }

    [TestMethod]
    public void Update_GradientWithinTheBound_IsAsItIs()
    {
        using var scope = NewDisposeScope();
        var plain = FirstMoment(clip: 0, out var norm);
        var bounded = FirstMoment(10 * norm, out _);
        Assert.AreSequenceEqual(plain.data<float>().ToArray(), bounded.data<float>().ToArray());
    }

    [TestMethod]
    public void Update_BackwardPassFails_ThrowsAndLeavesTheStateAsItWas()
    {
        using var scope = NewDisposeScope();
        using var training = new SmallTraining(SmallTraining.Create());
        var before = training.Weights;
        var x0 = ones([2, 1, 8, 8], ScalarType.Float32, CPU);
        var t = tensor([5L, 50L], ScalarType.Int64, CPU);
        var labels = tensor([0L, 1L], ScalarType.Int64, CPU);

        // Without a parameter that needs a gradient, the forward pass succeeds and the backward pass does not.
        training.Network.Parameters.requires_grad = false;
        Assert.ThrowsExactly<ExternalException>(() => training.Loop.Update(
            () => training.Loss.Compute(x0, t, x0, labels, training: true), 1e-3));
        Assert.AreEqual(0, training.Loop.State.Step);
        Assert.IsTrue(training.Loop.State.IsConsistent);
        Assert.AreSequenceEqual(before, training.Weights);
    }

    [TestMethod]
    [DataRow(0.1)]
    [DataRow(0.8)]
    public void HideLabels_ManyLabels_HidesThatFractionAndNoOther(double fraction)
    {
        const int Count = 10_000;
        using var scope = NewDisposeScope();
        using var noise = new Generator(5, CPU);
        var labels = arange(Count, ScalarType.Int64, CPU);
        var hidden = DiffusionLoss.HideLabels(labels, fraction, noise).data<long>().ToArray();

        var deviation = Math.Sqrt(Count * fraction * (1 - fraction));
        Assert.AreEqual(fraction * Count, hidden.Count(label => label == -1), 3 * deviation);
        for (var i = 0; i < Count; i++) Assert.IsTrue(hidden[i] == i || hidden[i] == -1);
    }

    [TestMethod]
    public void DrawNoise_ManySteps_HasEveryTimestepAndStandardNormalNoise()
    {
        using var scope = NewDisposeScope();
        using var training = new SmallTraining(SmallTraining.Create());
        using var noise = new Generator(0, CPU);
        var x0 = empty([1000, 1, 8, 8], ScalarType.Float32, CPU);
        var seen = new HashSet<long>();
        for (var step = 0; step < 4; step++)
        {
            noise.manual_seed((long)SeedStream.StepNoise(3, step));
            var (t, eps) = training.Loss.DrawNoise(noise, x0);
            seen.UnionWith(t.data<long>());
            Assert.AreEqual(0, eps.mean().item<float>(), 0.02);
            Assert.AreEqual(1, eps.std().item<float>(), 0.02);
        }

        Assert.AreSequenceEqual(Enumerable.Range(1, SmallTraining.Timesteps).Select(t => (long)t), seen.Order());
    }

    [TestMethod]
    public void DrawNoise_ImagesOnAnotherDevice_MovesThere()
    {
        // Tensors of this device have no values; it stands for a GPU. RandomnessTests see where the numbers are drawn.
        var meta = new Device(DeviceType.META);
        using var scope = NewDisposeScope();
        using var training = new SmallTraining(SmallTraining.Create());
        using var noise = new Generator(0, CPU);
        var (t, eps) = training.Loss.DrawNoise(noise, empty([2, 1, 8, 8], ScalarType.Float32, meta));
        Assert.AreEqual(DeviceType.META, t.device_type);
        Assert.AreEqual(DeviceType.META, eps.device_type);

        var labels = empty([2], ScalarType.Int64, meta);
        Assert.AreEqual(DeviceType.META, DiffusionLoss.HideLabels(labels, 0.5, noise).device_type);
    }

    [TestMethod]
    public void WithEnoughMemory_AllocationFails_NamesTheBatchSizeAndWhatToDo()
    {
        using var training = new SmallTraining(SmallTraining.Create());
        var exception = Throws.Saying<InvalidOperationException>(
            () => training.Loop.WithEnoughMemory(7, () => empty([1L << 50], ScalarType.Float32, CPU)),
            "The memory of cpu is too small for a batch of 7", "BatchSize is 4", "Choose a smaller BatchSize");
        Assert.IsNotNull(exception.InnerException);
    }

    [TestMethod]
    public void WithEnoughMemory_AnotherError_IsThatError()
    {
        using var training = new SmallTraining(SmallTraining.Create());
        Assert.ThrowsExactly<ExternalException>(() =>
            training.Loop.WithEnoughMemory(7, () => empty([2], ScalarType.Float32, CPU).view(3)));
    }

    [TestMethod]
    public void BatchReader_BatchOverTwoGigabytes_IsRefused()
    {
        using var images = SmallTraining.PlainImages();
        Throws.Saying<InvalidOperationException>(
            () => new BatchReader(images, [1, 8, 8], 1 << 24), "more than 2 GB", "smaller BatchSize");
    }

    private static double[] Losses(DiffusionSettings settings) =>
        [.. SmallTraining.Train(settings).Reports.Select(report => report.Loss)];

    /// <summary>Returns the mean that Adam keeps of the gradient, after one step.</summary>
    private static Tensor FirstMoment(double clip, out double norm)
    {
        using var noise = new Generator(1, CPU);
        var x0 = ones([2, 1, 8, 8], ScalarType.Float32, CPU);
        var eps = randn([2, 1, 8, 8], ScalarType.Float32, CPU, generator: noise);
        var t = tensor([5L, 50L], ScalarType.Int64, CPU);
        var labels = tensor([0L, 1L], ScalarType.Int64, CPU);

        using var training = new SmallTraining(SmallTraining.Create() with { GradientClipNorm = clip });
        norm = training.Loop
            .Update(() => training.Loss.Compute(x0, t, eps, labels, training: true), 1e-3)
            .GradientNorm.item<float>();
        return training.Loop.State.Adam.Mean.clone();
    }

    /// <summary>A loss that is the sum of the parameters, and calls somebody while it is computed.</summary>
    private sealed class WatchedLoss(FlatNetwork network, Action computing) : ITrainingLoss
    {
        public Tensor Compute(Batch batch, Generator random, bool training)
        {
            computing();
            return network.Parameters.sum();
        }

        public void Dispose()
        {
        }
    }
}

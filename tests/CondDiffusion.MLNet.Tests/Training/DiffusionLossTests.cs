using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Tests.Classification;
using CondDiffusion.MLNet.Tests.Support;
using CondDiffusion.MLNet.Training;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Training;

[TestClass]
public sealed class DiffusionLossTests
{
    [TestMethod]
    public void Compute_MinSnr_WeighsEachImageByItsTimestep()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var schedule = NoiseSchedule.Linear(1000);
        var shape = new UNetShape(1, 8, 8, Labels: 2, EmbeddingSize: 8, [4, 6, 8]);
        using var network = ConditionalUNet.Create(shape, CPU, 1);
        using var plain = SmallTraining.Create().CreateLoss(network, schedule);
        using var weighted = (SmallTraining.Create() with { MinSnrGamma = 5 }).CreateLoss(network, schedule);

        foreach (var t in new[] { 1, 20, 900 })
        {
            float Loss(DiffusionLoss loss) => loss
                .Compute(ones(1, 1, 8, 8), tensor([(long)t]), ones(1, 1, 8, 8), tensor([1L]), training: false)
                .item<float>();

            var expected = PredictionTarget.Noise.MinSnrWeight(schedule.SignalToNoise(t), 5) * Loss(plain);
            Assert.AreEqual(expected, Loss(weighted), 1e-6 * expected, $"t = {t}");
        }
    }

    /// <summary>
    /// The random numbers of the transforms come after those of a training without them, and last those that choose the
    /// other labels: labels of the batch, before any are hidden.
    /// </summary>
    [TestMethod]
    [DataRow(0.0)]
    [DataRow(1.0)]
    public void Compute_Training_TransformsTheImagesAndTellsTheNetwork(double sharing)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var network = RandomNetwork.Create(SmallTraining.Shape with { TakesTransform = true });
        var settings = SmallTraining.Create() with
        {
            LabelDropout = 0.5,
            LabelSharing = sharing,
            Augmentation = new(0.2, 20, 0.2, 0.7),
        };
        using var loss = settings.CreateLoss(network, NoiseSchedule.Linear(SmallTraining.Timesteps));
        var x0 = Shapes.Random(5, 6, 1, 8, 8);
        using var batch = Shapes.Batch(x0, [0, 1, 1, 0, 1, 0]);

        using var random = new Generator(9, CPU);
        var actual = loss.Compute(batch, random, training: true).item<float>();

        random.manual_seed(9);
        var shown = tensor([0L, 1, 1, 0, 1, 0]);
        var (t, eps) = loss.DrawNoise(random, x0);
        var labels = DiffusionLoss.HideLabels(shown, 0.5, random);
        var (images, transforms) = settings.Augmentation.Apply(x0, random);
        var others = shown[randperm(6, ScalarType.Int64, CPU, generator: random)];
        Assert.IsGreaterThan(0, transforms!.abs().max().item<float>());
        Assert.AreEqual(Loss(images, transforms, sharing > 0 ? others : null), actual, 1e-6);
        Assert.AreNotEqual(Loss(images, transforms, sharing > 0 ? null : others), actual, 1e-3f);
        Assert.AreNotEqual(Loss(images, null, sharing > 0 ? others : null), actual, 1e-3f);
        Assert.AreNotEqual(Loss(x0, transforms, sharing > 0 ? others : null), actual, 1e-3f);

        float Loss(Tensor images, Tensor? transforms, Tensor? others) =>
            loss.Compute(images, t, eps, labels, training: true, transforms, others).item<float>();
    }

    /// <summary>
    /// The published loss, and its gradient: each of two predictions is drawn to the other as to a constant (Qin et al.
    /// 2023, arXiv 2305.00562, with tau = 2).
    /// </summary>
    [TestMethod]
    public void Compute_LabelSharing_DrawsThePredictionsForTwoLabelsTogether()
    {
        using var scope = NewDisposeScope();
        using var network = RandomNetwork.Create(SmallTraining.Shape);
        network.Parameters.requires_grad_(true);
        var schedule = NoiseSchedule.Linear(SmallTraining.Timesteps);
        using var plain = SmallTraining.Create().CreateLoss(network, schedule);
        using var sharing = (SmallTraining.Create() with { LabelSharing = 2 }).CreateLoss(network, schedule);
        var x0 = Shapes.Random(5, 3, 1, 8, 8);
        var eps = Shapes.Random(6, 3, 1, 8, 8);
        int[] timesteps = [10, 50, 100];
        var t = tensor([10L, 50, 100]);
        var labels = tensor([0L, LabelRow.None, 1]);
        var others = tensor([1L, 0, 0]);

        var xt = stack(timesteps.Select((t, i) => x0[i] * schedule.Alpha(t) + eps[i] * schedule.Sigma(t)));
        var own = network.Forward(xt, t.to(ScalarType.Float32), labels);
        var other = network.Forward(xt, t.to(ScalarType.Float32), others);
        var expected = plain.Compute(x0, t, eps, labels, training: false);
        foreach (var (image, strength) in new[] { (0, 2 * 0.1), (2, 2 * 1.0) })
        {
            var gap = (own[image] - other[image].detach()).square().mean()
                + (own[image].detach() - other[image]).square().mean() / 4;
            expected = expected + gap * strength / 3;
        }

        var actual = sharing.Compute(x0, t, eps, labels, training: false, others: others);
        Assert.AreEqual(expected.item<float>(), actual.item<float>(), 1e-5);
        Assert.AreNotEqual(
            plain.Compute(x0, t, eps, labels, training: false).item<float>(), actual.item<float>(), 1e-3f);
        var difference = Gradient(expected) - Gradient(actual);
        Assert.AreEqual(0, difference.abs().max().item<float>(), 1e-5);

        Tensor Gradient(Tensor loss) => autograd.grad([loss], [network.Parameters])[0];
    }

    [TestMethod]
    public void Run_LabelSharing_MakesThePredictionsForLabelsMoreAlike()
    {
        var settings = SmallTraining.Create(epochs: 20);
        var apart = Gap(settings);
        var shared = Gap(settings with { LabelSharing = 20 });
        Assert.IsLessThan(apart / 2, shared, $"{shared} with sharing, {apart} without");

        static float Gap(DiffusionSettings settings)
        {
            using var scope = NewDisposeScope();
            using var training = new SmallTraining(settings);
            training.Run();

            using var noGrad = no_grad();
            var x = Shapes.Random(5, 4, 1, 8, 8);
            var noise = full([4], SmallTraining.Timesteps, ScalarType.Float32, CPU);
            Tensor Predict(long label) =>
                training.Network.Forward(x, noise, full([4], label, ScalarType.Int64, CPU));
            return (Predict(0) - Predict(1)).square().mean().item<float>();
        }
    }

    [TestMethod]
    public void Compute_Validation_TransformsAndSharesNothing()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var network = RandomNetwork.Create(SmallTraining.Shape with { TakesTransform = true });
        using var batch = Shapes.Batch(Shapes.Random(5, 3, 1, 8, 8), [0, 1, 1]);
        var plain = SmallTraining.Create();
        Assert.AreEqual(Loss(plain), Loss(plain with { Augmentation = new(0.2, 20, 0.2), LabelSharing = 1 }));

        float Loss(DiffusionSettings settings)
        {
            using var random = new Generator(9, CPU);
            using var loss = settings.CreateLoss(network, NoiseSchedule.Linear(SmallTraining.Timesteps));
            return loss.Compute(batch, random, training: false).item<float>();
        }
    }
}

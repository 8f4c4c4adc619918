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
    /// The random numbers of the transforms come last, so that the timesteps, the noise and the hidden labels are those
    /// of a training without them.
    /// </summary>
    [TestMethod]
    public void Compute_Training_TransformsTheImagesAndTellsTheNetwork()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var network = RandomNetwork.Create(SmallTraining.Shape with { TakesTransform = true });
        var settings = SmallTraining.Create() with { LabelDropout = 0.5, Augmentation = new(0.2, 20, 0.2, 0.7) };
        using var loss = settings.CreateLoss(network, NoiseSchedule.Linear(SmallTraining.Timesteps));
        var x0 = Shapes.Random(5, 6, 1, 8, 8);
        using var batch = Shapes.Batch(x0, [0, 1, 1, 0, 1, 0]);

        using var random = new Generator(9, CPU);
        var actual = loss.Compute(batch, random, training: true).item<float>();

        random.manual_seed(9);
        var labels = tensor([0L, 1, 1, 0, 1, 0]);
        var (t, eps) = loss.DrawNoise(random, x0);
        labels = DiffusionLoss.HideLabels(labels, 0.5, random);
        var (images, transforms) = settings.Augmentation.Apply(x0, random);
        Assert.IsGreaterThan(0, transforms!.abs().max().item<float>());
        Assert.AreEqual(
            loss.Compute(images, t, eps, labels, training: true, transforms).item<float>(), actual, 1e-6);
        Assert.AreNotEqual(loss.Compute(images, t, eps, labels, training: true).item<float>(), actual, 1e-3f);
        Assert.AreNotEqual(loss.Compute(x0, t, eps, labels, training: true, transforms).item<float>(), actual, 1e-3f);
    }

    [TestMethod]
    public void Compute_Validation_TransformsNothing()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var network = RandomNetwork.Create(SmallTraining.Shape with { TakesTransform = true });
        using var batch = Shapes.Batch(Shapes.Random(5, 3, 1, 8, 8), [0, 1, 1]);
        var plain = SmallTraining.Create();
        Assert.AreEqual(Loss(plain), Loss(plain with { Augmentation = new(0.2, 20, 0.2) }));

        float Loss(DiffusionSettings settings)
        {
            using var random = new Generator(9, CPU);
            using var loss = settings.CreateLoss(network, NoiseSchedule.Linear(SmallTraining.Timesteps));
            return loss.Compute(batch, random, training: false).item<float>();
        }
    }
}

using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Training;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Training;

[TestClass]
public sealed class DiffusionLossTests
{
    [TestMethod]
    public void Weight_MinSnr_IsThePapers()
    {
        Assert.AreEqual(1, DiffusionLoss.Weight(2, PredictionTarget.Noise, 5), "below gamma the loss on the noise is left as it is");
        Assert.AreEqual(0.5, DiffusionLoss.Weight(10, PredictionTarget.Noise, 5));
        Assert.AreEqual(2.0 / 3, DiffusionLoss.Weight(2, PredictionTarget.Velocity, 5));
        Assert.AreEqual(5.0 / 11, DiffusionLoss.Weight(10, PredictionTarget.Velocity, 5));
    }

    [TestMethod]
    public void Of_MinSnr_WeighsEachImageByItsTimestep()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var schedule = NoiseSchedule.Linear(1000);
        using var network = ConditionalUNet.Create(new(1, 8, 8, Labels: 2, EmbeddingSize: 8, [4, 6, 8]), CPU, 1);
        using var plain = new DiffusionLoss(network, schedule, PredictionTarget.Noise, 0, ScalarType.Float32);
        using var weighted = new DiffusionLoss(network, schedule, PredictionTarget.Noise, 5, ScalarType.Float32);
        var (x0, eps, label) = (ones(1, 1, 8, 8), ones(1, 1, 8, 8), tensor([1L]));
        foreach (var t in new[] { 1, 20, 900 })
        {
            var weight = DiffusionLoss.Weight(schedule.SignalToNoise(t), PredictionTarget.Noise, 5);
            var expected = weight * plain.Of(x0, tensor([(long)t]), eps, label, training: false).item<float>();
            Assert.AreEqual(expected, weighted.Of(x0, tensor([(long)t]), eps, label, training: false).item<float>(), 1e-6 * expected, $"t = {t}");
        }
    }
}

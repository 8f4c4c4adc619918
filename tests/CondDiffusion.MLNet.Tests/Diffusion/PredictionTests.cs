using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Tests.Support;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Diffusion;

[TestClass]
public sealed class PredictionTests
{
    public static IEnumerable<PredictionTarget> Kinds => Enum.GetValues<PredictionTarget>();

    /// <summary>What a perfect network learns in training is what sampling makes the image from.</summary>
    [TestMethod]
    [DynamicData(nameof(Kinds))]
    public void Image_OfTheTarget_IsTheImage(PredictionTarget kind)
    {
        using var scope = NewDisposeScope();
        var alpha = NoiseSchedule.Cosine(10).Alpha(6);
        var sigma = NoiseSchedule.Cosine(10).Sigma(6);
        var x0 = rand(2, 1, 4, 4, ScalarType.Float64);
        var eps = randn(2, 1, 4, 4, ScalarType.Float64);

        var target = kind.Target(x0, eps, tensor(new[] { alpha }), tensor(new[] { sigma }));
        var image = kind.Image(target, alpha * x0 + sigma * eps, alpha, sigma);

        TensorAssert.AreClose(x0, image, 1e-12);
    }

    [TestMethod]
    public void MinSnrWeight_BelowAndAboveGamma_IsThePapers()
    {
        var belowGamma = PredictionTarget.Noise.MinSnrWeight(2, 5);
        Assert.AreEqual(1, belowGamma, "below gamma the loss on the noise is left as it is");
        Assert.AreEqual(0.5, PredictionTarget.Noise.MinSnrWeight(10, 5));
        Assert.AreEqual(2.0 / 3, PredictionTarget.Velocity.MinSnrWeight(2, 5));
        Assert.AreEqual(5.0 / 11, PredictionTarget.Velocity.MinSnrWeight(10, 5));
    }
}

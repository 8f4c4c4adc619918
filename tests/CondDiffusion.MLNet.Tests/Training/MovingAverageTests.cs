using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Training;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Training;

[TestClass]
public sealed class MovingAverageTests
{
    [TestMethod]
    public void Update_KnownValues_AveragesParametersAndBuffersWithWarmUp()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var network = Constant(0);
        using var average = new MovingAverage(network, 0.5);
        var expected = 0.0;

        for (var step = 1; step <= 20; step++)
        {
            network.Parameters.fill_(step);
            network.Buffers.fill_(step);
            average.Update(step);
            var kept = Math.Min(0.5, (1.0 + step) / (10 + step));
            expected = kept * expected + (1 - kept) * step;
        }

        Assert.AreEqual(expected, average.Parameters.mean().item<float>(), 1e-4);
        Assert.AreEqual(expected, average.Buffers.mean().item<float>(), 1e-4);
    }

    [TestMethod]
    public void Swap_Twice_RestoresTheNetworkToTheBit()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var network = Constant(0.1);
        using var average = new MovingAverage(network, 0.5);
        network.Parameters.fill_(0.3);

        average.Swap();
        Assert.AreEqual(0.1f, network.Parameters.mean().item<float>());

        average.Swap();
        Assert.IsTrue(network.Parameters.eq(0.3f).all().item<bool>());
        Assert.AreEqual(0.1f, average.Parameters.mean().item<float>());
    }

    private static ConditionalUNet Constant(double value) => ConditionalUNet.Create(
        new(1, 4, 4, Labels: 1, EmbeddingSize: 2, [1, 1, 1]), CPU, entry => full(entry.Shape, value));
}

using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Training;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Training;

[TestClass]
public sealed class MovingAverageTests
{
    /// <summary>The gammas are those that the paper's code computes for these lengths.</summary>
    [TestMethod]
    [DataRow(0.05, 16.97)]
    [DataRow(0.1, 6.94)]
    public void Update_KnownValues_AveragesParametersAndBuffersWithAPowerOfTheStep(double length, double gamma)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var network = Constant(0);
        using var average = new MovingAverage(network, length);
        var expected = 0.0;

        for (var step = 1; step <= 40; step++)
        {
            var value = Math.Sin(step);
            network.Parameters.fill_(value);
            network.Buffers.fill_(value);
            average.Update(step);
            expected += (1 - Math.Pow(1 - 1.0 / step, gamma + 1)) * (value - expected);
        }

        Assert.AreEqual(expected, average.Parameters.mean().item<float>(), 1e-3);
        Assert.AreEqual(expected, average.Buffers.mean().item<float>(), 1e-3);
    }

    /// <summary>
    /// The steps themselves, averaged: their squares give the profile's standard deviation, which is what a length is.
    /// </summary>
    [TestMethod]
    [DataRow(0.03)]
    [DataRow(0.09)]
    [DataRow(0.28)]
    public void Update_ManySteps_HasAProfileOfTheLength(double length)
    {
        const int Steps = 1000;
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var network = Constant(0);
        using var average = new MovingAverage(network, length);
        for (var step = 1; step <= Steps; step++)
        {
            network.Parameters.fill_((double)step / Steps);
            network.Buffers.fill_((double)step * step / Steps / Steps);
            average.Update(step);
        }

        var mean = average.Parameters.to(ScalarType.Float64).mean().item<double>();
        var square = average.Buffers.to(ScalarType.Float64).mean().item<double>();
        Assert.AreEqual(length, Math.Sqrt(square - mean * mean), 0.02 * length);
    }

    [TestMethod]
    public void Swap_Twice_RestoresTheNetworkToTheBit()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var network = Constant(0.1);
        using var average = new MovingAverage(network, 0.1);
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

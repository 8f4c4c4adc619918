using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Tests.Parity;
using CondDiffusion.MLNet.Tests.Support;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Network;

[TestClass]
public sealed class InferenceUNetTests
{
    private static readonly UNetShape Colour = new(3, 12, 20, Labels: 4, EmbeddingSize: 7, [6, 10, 18]);

    private static readonly UNetShape Residual = new(1, 28, 28, Labels: 4, EmbeddingSize: 16, [32, 64])
    {
        Architecture = NetworkArchitecture.Residual,
    };

    private static readonly UNetShape Deep = new(4, 16, 24, Labels: 4, EmbeddingSize: 7, [32, 64, 32])
    {
        Architecture = NetworkArchitecture.Residual,
    };

    private static readonly UNetShape Small = new(2, 4, 12, Labels: 4, EmbeddingSize: 7, [64, 32])
    {
        Architecture = NetworkArchitecture.Residual,
    };

    private static readonly UNetShape Pixel = Small with { Width = 4 };

    private static readonly UNetShape[] Shapes =
    [
        SeedUNet.Shape, Colour, Residual, Deep, Small, Pixel,
        Colour with { TakesTransform = true }, Small with { TakesTransform = true },
    ];

    private static readonly long[] Labels = [3, -1, 0, 3, 2];

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void Forward_Float32_EqualsTheNetworkInEvaluationMode(bool pack)
    {
        foreach (var shape in Shapes) AssertClose(shape, ScalarType.Float32, pack, LargestError, 1e-4);
    }

    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void Forward_BFloat16_IsWithinThreePercentOfFloat32(bool pack)
    {
        foreach (var shape in Shapes) AssertClose(shape, ScalarType.BFloat16, pack, RelativeError, 0.03);
    }

    /// <summary>Where a channel hardly varies, most of its deviation is what the batch norm adds to it.</summary>
    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void Forward_ChannelsThatHardlyVary_EqualsTheNetworkInEvaluationMode(bool pack)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var network = RandomNetwork.Create(Colour);
        var variance = network.StateDict().Single(tensor => tensor.Entry.Name == "down1.convs.1.running_var").Values;
        variance.fill_(1e-5);
        using var fused = InferenceUNet.Create(network, ScalarType.Float32, pack);
        using var embeddings = fused.Prepare([40], Labels);
        var x = SeedUNet.Wave(5, Labels.Length, Colour.Channels, Colour.Height, Colour.Width);

        var expected = network.Forward(x, full([Labels.Length], 40, ScalarType.Float32, CPU), tensor(Labels));
        TensorAssert.AreClose(expected, fused.Forward(x, embeddings, 0), 1e-4 * expected.std().item<float>());
    }

    /// <summary>Where oneDNN pads a kernel's block itself, its results are wrong on some processors.</summary>
    [TestMethod]
    [DataRow(1, 2)]
    [DataRow(3, 3)]
    [DataRow(16, 16)]
    [DataRow(17, 32)]
    [DataRow(48, 48)]
    public void Pad_ChannelsOfAnImage_AreTwoOrMoreAndBeyondABlockWholeBlocks(int channels, int expected)
    {
        using var scope = NewDisposeScope();
        var padded = new PaddedChannels([channels], PaddedChannels.Image)
            .Pad(ones(2, channels, 3, 3, ScalarType.Float32, CPU), 1);
        Assert.AreSequenceEqual(new long[] { 2, expected, 3, 3 }, padded.shape);
        Assert.AreEqual(18f * channels, padded.narrow(1, 0, channels).sum().item<float>());
        Assert.AreEqual(18f * channels, padded.sum().item<float>());
    }

    [TestMethod]
    [DataRow(ScalarType.Float32)]
    [DataRow(ScalarType.BFloat16)]
    public void Forward_AnyBatch_GivesAnImageTheSameBits(ScalarType type)
    {
        if (!FusedConvolution.CanPack(type)) Assert.Inconclusive($"libtorch cannot pack {type} here.");

        foreach (var shape in Shapes)
        {
            using var scope = NewDisposeScope();
            using var network = RandomNetwork.Create(shape);
            using var fused = InferenceUNet.Create(network, type);
            var x = SeedUNet.Wave(5, 33, shape.Channels, shape.Height, shape.Width);
            long[] labels = [.. Enumerable.Range(0, 33).Select(i => i % (shape.Labels + 1) - 1L)];

            Tensor Rows(int start, int count)
            {
                using var embeddings = fused.Prepare(Noises(shape, 900, 40), labels.AsSpan(start, count));
                return fused.Forward(x.narrow(0, start, count), embeddings, 1);
            }

            var all = Rows(0, 33);
            (int, int)[] parts = [(0, 1), (7, 1), (32, 1), (7, 2), (5, 3), (4, 4), (7, 10), (17, 16), (0, 32)];
            foreach (var (start, count) in parts)
            {
                var isEqual = Rows(start, count).equal(all.narrow(0, start, count)).all();
                Assert.IsTrue(isEqual.item<bool>(), $"{count} rows from {start} of {shape}");
            }
        }
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void Forward_Twice_LeavesItsInputsAndNoTensors(bool isResidual)
    {
        var residual = new UNetShape(3, 12, 20, Labels: 4, EmbeddingSize: 7, [32, 64])
        {
            Architecture = NetworkArchitecture.Residual,
        };
        using var network = RandomNetwork.Create(isResidual ? residual : Colour);
        using (var warm = InferenceUNet.Create(network, ScalarType.BFloat16)) { }
        var before = TensorAssert.Count();
        using (var fused = InferenceUNet.Create(network, ScalarType.BFloat16))
        using (var x = ones(5, 3, 12, 20))
        using (var embeddings = fused.Prepare([9, 8], Labels))
        {
            using var first = fused.Forward(x, embeddings, 1);
            var between = Tensor.TotalCount;
            using var second = fused.Forward(x, embeddings, 1);
            Assert.AreEqual(between + 1, Tensor.TotalCount);
            Assert.AreEqual(ScalarType.Float32, second.dtype);
            Assert.IsTrue(second.is_contiguous());
            Assert.AreSequenceEqual(first.data<float>().ToArray(), second.data<float>().ToArray());
            Assert.IsTrue(x.data<float>().All(value => value == 1));
        }
        Assert.AreEqual(before, Tensor.TotalCount);
    }

    [TestMethod]
    public void Prepare_ManySteps_GivesEachItsOwnEmbedding()
    {
        using var scope = NewDisposeScope();
        using var network = RandomNetwork.Create(Colour);
        using var fused = InferenceUNet.Create(network, ScalarType.Float32);
        using var embeddings = fused.Prepare([.. Enumerable.Range(1, 100).Select(t => (float)t)], Labels);
        foreach (var step in new[] { 0, 31, 32, 99, 3 })
        {
            using var alone = fused.Prepare([step + 1], Labels);
            TensorAssert.AreClose(alone[0].data<float>().ToArray(), embeddings[step], 1e-5);
        }
    }

    private static float[] Noises(UNetShape shape, params int[] timesteps) =>
        [.. timesteps.Select(t => shape.NoiseAt(NoiseSchedule.Linear(1000), t))];

    private static Tensor LargestError(Tensor expected, Tensor actual) =>
        (expected - actual).abs().max() / expected.std();

    private static Tensor RelativeError(Tensor expected, Tensor actual) => (expected - actual).norm() / expected.norm();

    private static void AssertClose(
        UNetShape shape,
        ScalarType type,
        bool pack,
        Func<Tensor, Tensor, Tensor> error,
        double bound)
    {
        using var scope = NewDisposeScope();
        using var network = RandomNetwork.Create(shape);
        using var fused = InferenceUNet.Create(network, type, pack);
        using var embeddings = fused.Prepare(Noises(shape, 900, 40, 1), Labels);
        var x = SeedUNet.Wave(5, Labels.Length, shape.Channels, shape.Height, shape.Width);
        foreach (var (t, step) in new[] { (900, 0), (1, 2) })
        {
            using var noGrad = no_grad();
            var noise = full([Labels.Length], Noises(shape, t)[0]);
            var expected = network.Forward(x, noise, tensor(Labels));
            Assert.IsGreaterThan(0.3, expected.std().item<float>());
            var actual = fused.Forward(x, embeddings, step);
            Assert.IsLessThan(bound, error(expected, actual).item<float>(), $"{shape} at {t}");
        }
    }
}

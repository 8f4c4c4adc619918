using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Tests.Parity;
using CondDiffusion.MLNet.Tests.Support;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Network;

/// <summary>The layer by which a network is told how an image was transformed.</summary>
[TestClass]
public sealed class TransformLayerTests
{
    private static readonly UNetShape Plain = new(1, 8, 8, Labels: 2, EmbeddingSize: 7, [4, 6, 8]);

    private static readonly UNetShape Residual = new(1, 8, 8, Labels: 2, EmbeddingSize: 7, [32, 64])
    {
        Architecture = NetworkArchitecture.Residual,
    };

    /// <summary>The layer moves the other tensors in memory, for which some CPUs have other kernels.</summary>
    private const double Rounding = 1e-5;

    private static readonly float[] Transform = [0.5f, -1, 0.3f, -0.7f, 0.2f];

    [TestMethod]
    [DataRow(NetworkArchitecture.Plain)]
    [DataRow(NetworkArchitecture.Residual)]
    public void Create_WithTheLayer_HasTheOtherWeightsOfANetworkWithoutAndIgnoresTransforms(
        NetworkArchitecture architecture)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var shape = Find(architecture);
        using var without = ConditionalUNet.Create(shape, CPU, seed: 1);
        using var with = ConditionalUNet.Create(shape with { TakesTransform = true }, CPU, seed: 1);
        var others = with.StateDict().Where(tensor => tensor.Entry.Name != UNetShape.TransformLayer).ToArray();
        Assert.HasCount(with.StateDict().Count - 1, others);
        foreach (var ((entry, expected), (_, actual)) in without.StateDict().Zip(others))
            Assert.IsTrue(expected.equal(actual).all().item<bool>(), entry.Name);

        // The residual blocks would be shut otherwise.
        foreach (var network in new[] { with, without })
            foreach (var (_, values) in network.StateDict().Where(IsConvolution)) values.fill_(0.3);

        var expectedImages = Predict(without, transform: null);
        Assert.IsGreaterThan(1e-3f, expectedImages.std().item<float>());
        TensorAssert.AreClose(expectedImages, Predict(with, Transform), Rounding);

        static bool IsConvolution((TensorEntry Entry, Tensor Values) tensor) => tensor.Entry.IsConvolution;
    }

    /// <summary>The layer adds to the embedding of the label, so that another table does the same.</summary>
    [TestMethod]
    [DataRow(NetworkArchitecture.Plain)]
    [DataRow(NetworkArchitecture.Residual)]
    public void Forward_Transform_IsAddedToTheLabelsEmbedding(NetworkArchitecture architecture)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var shape = Find(architecture);
        using var network = RandomNetwork.Create(shape with { TakesTransform = true });
        var tensors = network.StateDict().ToDictionary(tensor => tensor.Entry.Name, tensor => tensor.Values);
        using var other = ConditionalUNet.Create(shape, CPU, entry => tensors[entry.Name]);
        TensorAssert.AreClose(Predict(other, transform: null), Predict(network, transform: null), Rounding);
        TensorAssert.AreClose(Predict(other, transform: null), Predict(network, new float[5]), Rounding);
        TensorAssert.AreClose(Predict(other, transform: null), Predict(other, Transform), 0);

        var layer = tensors[UNetShape.TransformLayer];
        var table = other.StateDict().Single(tensor => tensor.Entry.Name == "label_emb.weight").Values;
        for (var row = 0; row < 7; row++)
        {
            var sum = 0.0;
            for (var i = 0; i < 5; i++) sum += layer[row, i].item<float>() * Transform[i];
            table[1, row] += sum;
        }

        var changed = Predict(other, transform: null);
        TensorAssert.AreClose(changed, Predict(network, Transform), 1e-4);
        Assert.IsGreaterThan(0.01f, (changed - Predict(network, transform: null)).abs().max().item<float>());
    }

    private static UNetShape Find(NetworkArchitecture architecture) =>
        new[] { Plain, Residual }.Single(shape => shape.Architecture == architecture);

    private static Tensor Predict(ConditionalUNet network, float[]? transform) => network.Forward(
        SeedUNet.Wave(7, 1, 1, 8, 8),
        tensor([1.5f], ScalarType.Float32, CPU),
        tensor([1L], ScalarType.Int64, CPU),
        transforms: transform is null ? null : tensor(transform, [1, 5], ScalarType.Float32, CPU));
}

using CondDiffusion.MLNet.Classification;
using CondDiffusion.MLNet.Tests.Support;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace CondDiffusion.MLNet.Tests.Classification;

/// <summary>
/// Compares the networks for training and for inference with one in double precision, which is written without any of
/// the library's layers.
/// </summary>
[TestClass]
public sealed class ClassifierNetworkTests
{
    private static readonly ClassifierShape Tiny = new(1, 4, 5, Labels: 3, [2, 3], Convolutions: 1, Features: 4);

    private static readonly ClassifierShape[] AllShapes =
    [
        Tiny,
        new(1, 8, 8, Labels: 4, [16, 32], Convolutions: 1, Features: 16),
        new(3, 5, 7, Labels: 3, [5, 18], Convolutions: 2, Features: 9),
        new(3, 9, 1, Labels: 2, [1, 6, 3, 5], Convolutions: 2, Features: 4),
        new(1, 12, 10, Labels: 10, [7, 16, 33], Convolutions: 2, Features: 20),
        new(17, 3, 3, Labels: 2, [4], Convolutions: 1, Features: 3),
        new(1, 1, 1, Labels: 2, [3, 3], Convolutions: 1, Features: 2),
        new(1, 300, 200, Labels: 2, [1, 16], Convolutions: 1, Features: 2), // in parts on a CPU
    ];

    public static IEnumerable<int> Indices => Enumerable.Range(0, AllShapes.Length);

    private DisposeScope? _scope;

    [TestInitialize]
    public void OpenScope() => _scope = NewDisposeScope();

    [TestCleanup]
    public void CloseScope() => _scope?.Dispose();

    [TestMethod]
    [DynamicData(nameof(Indices))]
    public void Forward_EitherMode_EqualsDoublePrecision(int index)
    {
        var shape = AllShapes[index];
        using var network = Shapes.TrainedLike(shape);
        var x = Images(shape, 6);
        foreach (var training in new[] { false, true })
        {
            var (expected, _) = Reference(shape, Doubles(network), x, training);
            using var noGrad = no_grad();
            var actual = network.Forward(x, training, ScalarType.Float32, features => features);
            TensorAssert.AreClose(expected.to(ScalarType.Float32), actual, 2e-4);
        }
    }

    [TestMethod]
    [DynamicData(nameof(Indices))]
    public void Inference_PackedOrNot_EqualsTheNetwork(int index)
    {
        var shape = AllShapes[index];
        using var network = Shapes.TrainedLike(shape);
        var x = Images(shape, 6);
        Tensor? features = null;
        using var noGrad = no_grad();
        var logits = network.Forward(
            x, training: false, ScalarType.Float32, values => features = values.clone().MoveToOuterDisposeScope());
        var expected = cat([functional.softmax(logits, 1), features!], 1);
        Assert.IsGreaterThan(1e-3, expected.std(0).max().item<float>(), "the images differ");

        foreach (var pack in new[] { true, false })
        {
            using var inference = new InferenceClassifier(network, pack);
            TensorAssert.AreClose(expected, inference.Forward(x), 1e-4);
        }
    }

    /// <summary>The convolutions give the same bits in every batch, but the matrix products do not.</summary>
    [TestMethod]
    public void Inference_AnyBatch_GivesAnImageTheSameValuesUpToRounding()
    {
        foreach (var shape in AllShapes)
        {
            using var network = Shapes.TrainedLike(shape);
            using var inference = new InferenceClassifier(network);
            var x = Images(shape, 33);
            var all = inference.Forward(x);
            (int, int)[] parts = [(0, 1), (32, 1), (7, 2), (5, 3), (7, 10), (0, 32)];
            foreach (var (start, count) in parts)
                TensorAssert.AreClose(all.narrow(0, start, count), inference.Forward(x.narrow(0, start, count)), 1e-5);
        }
    }

    [TestMethod]
    public void Inference_Disposed_LeavesNoTensor()
    {
        using var network = Shapes.TrainedLike(Tiny);
        var x = Images(Tiny, 3);
        using (var warm = new InferenceClassifier(network)) warm.Forward(x).Dispose();

        var before = TensorAssert.Count();
        using (var inference = new InferenceClassifier(network)) inference.Forward(x).Dispose();
        Assert.AreEqual(before, Tensor.TotalCount);
    }

    /// <summary>The gradient by differences is taken from the network in double precision.</summary>
    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void Forward_Gradient_EqualsNumericDifferences(bool training)
    {
        const double Difference = 1e-6;
        var shape = new ClassifierShape(1, 4, 5, Labels: 3, [2, 2], Convolutions: training ? 1 : 2, Features: 3);
        using var network = Shapes.TrainedLike(shape);
        var x = Images(shape, 5);
        var labels = tensor([0L, 2, 1, 1, 0], ScalarType.Int64, CPU);
        functional.cross_entropy(network.Forward(x, training, ScalarType.Float32, f => f), labels).backward();
        var gradient = network.Parameters.grad!.data<float>().ToArray();
        network.Parameters.grad = null;

        using var noGrad = no_grad();
        var doubles = Doubles(network);
        var at = 0;
        foreach (var (entry, _) in network.StateDict().Where(tensor => !tensor.Entry.IsBuffer))
        {
            var values = doubles[entry.Name].view(-1);
            for (var i = 0; i < entry.Length; i++)
            {
                var before = values[i].item<double>();
                double Loss(double value)
                {
                    values[i] = tensor(value, ScalarType.Float64, CPU);
                    var (logits, _) = Reference(shape, doubles, x, training);
                    return functional.cross_entropy(logits, labels).item<double>();
                }

                var slope = (Loss(before + Difference) - Loss(before - Difference)) / (2 * Difference);
                values[i] = tensor(before, ScalarType.Float64, CPU);
                Assert.AreEqual(slope, gradient[at++], 2e-4, $"{entry.Name}, {i}");
            }
        }

        Assert.HasCount(at, gradient);
        Assert.IsGreaterThan(0.05, gradient.Max(Math.Abs));
    }

    [TestMethod]
    public void Forward_Training_UpdatesTheRunningStatistics()
    {
        using var network = Shapes.TrainedLike(Tiny);
        var x = Images(Tiny, 6);
        using var noGrad = no_grad();
        var mean = network.StateDict().Single(tensor => tensor.Entry.Name == "blocks.0.1.running_mean").Values;
        var before = mean.clone();
        var weight = Doubles(network)["blocks.0.0.weight"];
        var bias = Doubles(network)["blocks.0.0.bias"];
        network.Forward(x, training: false, ScalarType.Float32, f => f);
        TensorAssert.AreClose(before, mean, 0);

        network.Forward(x, training: true, ScalarType.Float32, f => f);
        var batch = Convolve(x.to(ScalarType.Float64), weight, bias).mean([0, 2, 3]);
        TensorAssert.AreClose((before * 0.9 + batch * 0.1).to(ScalarType.Float32), mean, 1e-5);
    }

    /// <summary>A single pixel of one image has no variance to normalize by.</summary>
    [TestMethod]
    [DataRow(4, 4, 3, 2)]
    [DataRow(4, 4, 2, 1)]
    [DataRow(1, 3, 2, 2)]
    [DataRow(1, 4, 2, 1)]
    public void SmallestBatch_LastBlockOfASinglePixel_IsTwo(int height, int width, int blocks, int expected)
    {
        using var network = ClassifierNetwork.Create(
            new(1, height, width, 2, [.. Enumerable.Repeat(2, blocks)], 1, 2), CPU, seed: 1);
        Assert.AreEqual(expected, network.SmallestBatch);
    }

    [TestMethod]
    public void Load_SavedNetwork_HasTheSameWeights()
    {
        using var network = Shapes.TrainedLike(Tiny);
        using var stream = new MemoryStream();
        network.Save(stream);
        stream.Position = 0;
        using var loaded = ClassifierNetwork.Load(stream, Tiny, CPU);
        using var noGrad = no_grad();
        TensorAssert.AreClose(network.Parameters, loaded.Parameters, 0);
        TensorAssert.AreClose(network.Buffers, loaded.Buffers, 0);

        stream.Position = 0;
        Assert.ThrowsExactly<FormatException>(() => ClassifierNetwork.Load(stream, Tiny with { Features = 5 }, CPU));
    }

    private static Tensor Images(ClassifierShape shape, int count) =>
        Shapes.Random(7, count, shape.Channels, shape.Height, shape.Width);

    private static Dictionary<string, Tensor> Doubles(ClassifierNetwork network) =>
        network.StateDict().ToDictionary(
            tensor => tensor.Entry.Name, tensor => tensor.Values.detach().to(ScalarType.Float64).clone());

    /// <summary>Computes the logits and the features, in double precision and from the names of PyTorch.</summary>
    private static (Tensor Logits, Tensor Features) Reference(
        ClassifierShape shape, Dictionary<string, Tensor> tensors, Tensor x, bool training)
    {
        var y = x.to(ScalarType.Float64);
        for (var block = 0; block < shape.Widths.Count; block++)
        {
            for (var i = 0; i < shape.Convolutions; i++)
            {
                var convolution = $"blocks.{block}.{3 * i}";
                var norm = $"blocks.{block}.{3 * i + 1}";
                Tensor Channels(string name) => tensors[$"{norm}.{name}"].view(1, -1, 1, 1);

                y = Convolve(y, tensors[$"{convolution}.weight"], tensors[$"{convolution}.bias"]);
                var mean = training ? y.mean([0, 2, 3], keepdim: true) : Channels("running_mean");
                var variance = training
                    ? (y - mean).square().mean([0, 2, 3], keepdim: true)
                    : Channels("running_var");
                y = (y - mean) / (variance + 1e-5).sqrt() * Channels("weight") + Channels("bias");
                y = y.clamp_min(0);
            }

            // The largest of each 2 x 2 pixels; an odd last row or column is left out.
            for (var dimension = 2; dimension <= 3; dimension++)
            {
                var half = y.shape[dimension] / 2;
                if (half == 0) continue;

                var even = arange(0, 2 * half, 2, ScalarType.Int64, CPU);
                y = maximum(y.index_select(dimension, even), y.index_select(dimension, even + 1));
            }
        }

        y = y.flatten(1).matmul(tensors["features.weight"].t()) + tensors["features.bias"];
        var features = y.clamp_min(0);
        return (features.matmul(tensors["logits.weight"].t()) + tensors["logits.bias"], features);
    }

    /// <summary>Applies a 3x3 convolution, as a matrix product with the nine neighbours of each pixel.</summary>
    private static Tensor Convolve(Tensor x, Tensor kernels, Tensor bias)
    {
        var neighbours = functional.unfold(x, 3, padding: 1);                               // B 9Cin HW
        var y = kernels.flatten(1).matmul(neighbours) + bias.view(1, -1, 1);                // B Cout HW
        return y.view(x.shape[0], kernels.shape[0], x.shape[2], x.shape[3]);
    }
}

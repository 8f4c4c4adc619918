using CondDiffusion.MLNet.Classification;
using CondDiffusion.MLNet.Tests.Support;
using CondDiffusion.MLNet.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Tests.Classification;

[TestClass]
public sealed class ClassificationLossTests
{
    private static readonly ClassifierShape Shape = new(1, 4, 4, Labels: 3, [3], Convolutions: 1, Features: 5);
    private static readonly AffineAugmentation NoAugmentation = new(0, 0, 0);
    private static readonly long[] Labels = [2, 0, 1, 1, 2];
    private static readonly float[] Weights = [1, 0.5f, 3, 0, 2];

    private DisposeScope? _scope;

    [TestInitialize]
    public void OpenScope() => _scope = NewDisposeScope();

    [TestCleanup]
    public void CloseScope() => _scope?.Dispose();

    [TestMethod]
    [DataRow(0.0, false)]
    [DataRow(0.0, true)]
    [DataRow(0.3, false)]
    [DataRow(0.3, true)]
    public void Compute_Training_IsTheSmoothedAndWeightedCrossEntropy(double smoothing, bool weighted)
    {
        using var network = Shapes.TrainedLike(Shape);
        using var loss = new ClassificationLoss(network, NoAugmentation, 0, smoothing, ScalarType.Float32);
        var weights = weighted ? Weights : null;
        Assert.AreEqual(
            CrossEntropy(network, training: true, smoothing, weights), Compute(loss, training: true, weights), 1e-5);
    }

    [TestMethod]
    public void Compute_Validation_HasNoneOfTheRegularizers()
    {
        using var network = Shapes.TrainedLike(Shape);
        using var loss = new ClassificationLoss(network, new(0.3, 90, 0.3), 0.5, 0.3, ScalarType.Float32);
        using var noGrad = no_grad();
        var buffers = network.Buffers.clone();
        var expected = CrossEntropy(network, training: false, smoothing: 0, Weights);
        Assert.AreEqual(expected, Compute(loss, training: false, Weights), 1e-5);
        Assert.AreEqual(expected, Compute(loss, training: false, Weights, seed: 2), 1e-5);
        TensorAssert.AreClose(buffers, network.Buffers, 0);
        Assert.AreNotEqual(Compute(loss, training: true, Weights), Compute(loss, training: true, Weights, seed: 2));
    }

    /// <summary>
    /// With one feature of 1 and the logits (feature, 0), the loss of label 1 is log 2 where the feature is dropped,
    /// and log(1 + exp(1 / (1 - dropout))) where it is scaled up.
    /// </summary>
    [TestMethod]
    [DataRow(0.25)]
    [DataRow(0.5)]
    public void Compute_Dropout_DropsTheFractionAndScalesTheOthers(double dropout)
    {
        const int Count = 400;
        var shape = Shape with { Labels = 2, Features = 1 };
        using var network = ClassifierNetwork.Create(shape, CPU, seed: 1);
        using var noGrad = no_grad();
        foreach (var (entry, values) in network.StateDict())
        {
            if (entry.Name.StartsWith("features", StringComparison.Ordinal)) values.fill_(entry.Shape is [_] ? 1 : 0);
            if (entry.Name == "logits.weight") values.copy_(tensor([1f, 0], [2, 1], ScalarType.Float32, CPU));
            if (entry.Name == "logits.bias") values.zero_();
        }

        using var loss = new ClassificationLoss(network, NoAugmentation, dropout, 0, ScalarType.Float32);
        using var batch = Shapes.Batch(Shapes.Random(1, 1, 1, 4, 4), [1]);
        var dropped = 0;
        for (var seed = 0; seed < Count; seed++)
        {
            using var random = new Generator((ulong)seed, CPU);
            var value = loss.Compute(batch, random, training: true).item<float>();
            var isDropped = Math.Abs(value - Math.Log(2)) < 1e-5;
            if (isDropped) dropped++;
            else Assert.AreEqual(Math.Log(1 + Math.Exp(1 / (1 - dropout))), value, 1e-5);
        }

        Assert.AreEqual(dropout, dropped / (double)Count, 0.1); // 4 standard deviations
    }

    /// <summary>Without the statistics of the batch, an image of weight 0 has no part in the gradient.</summary>
    [TestMethod]
    public void Compute_WeightOfZero_LeavesTheImageOutOfTheGradient()
    {
        using var network = Shapes.TrainedLike(Shape);
        using var loss = new ClassificationLoss(network, NoAugmentation, 0, 0, ScalarType.Float32);
        var images = Shapes.Random(7, 5, 1, 4, 4);
        var others = images.clone();
        others[3] = -others[3];

        Tensor Gradient(Tensor images, float[] weights)
        {
            using var batch = Shapes.Batch(images, Labels, weights);
            using var random = new Generator(1, CPU);
            loss.Compute(batch, random, training: false).backward();
            var gradient = network.Parameters.grad!.clone();
            network.Parameters.grad = null;
            return gradient;
        }

        TensorAssert.AreClose(Gradient(images, Weights), Gradient(others, Weights), 0);
        float[] counted = [1, 0.5f, 3, 1, 2];
        Assert.IsFalse(Gradient(images, counted).equal(Gradient(others, counted)).all().item<bool>());
    }

    [TestMethod]
    public void Compute_Training_AugmentsTheImages()
    {
        using var network = Shapes.TrainedLike(Shape);
        var augmentation = new AffineAugmentation(0.3, 20, 0.2);
        using var loss = new ClassificationLoss(network, augmentation, 0, 0, ScalarType.Float32);
        using var random = new Generator(4, CPU);
        var (augmented, _) = augmentation.Apply(Shapes.Random(7, 5, 1, 4, 4), random);
        Assert.AreEqual(
            CrossEntropy(network, training: true, 0, Weights, augmented),
            Compute(loss, training: true, Weights, seed: 4),
            1e-5);
    }

    [TestMethod]
    public void Compute_BFloat16_IsCloseToFloat32()
    {
        using var network = Shapes.TrainedLike(Shape);
        using var loss = new ClassificationLoss(network, NoAugmentation, 0, 0, ScalarType.BFloat16);
        Assert.AreEqual(
            CrossEntropy(network, training: true, 0, Weights), Compute(loss, training: true, Weights), 0.03);
    }

    private static double Compute(ClassificationLoss loss, bool training, float[]? weights, ulong seed = 1)
    {
        using var batch = Shapes.Batch(Shapes.Random(7, 5, 1, 4, 4), Labels, weights);
        using var random = new Generator(seed, CPU);
        using var noGrad = no_grad();
        return loss.Compute(batch, random, training).item<float>();
    }

    /// <summary>Computes the loss from the logits, in double precision.</summary>
    private static double CrossEntropy(
        ClassifierNetwork network, bool training, double smoothing, float[]? weights, Tensor? images = null)
    {
        using var noGrad = no_grad();
        images ??= Shapes.Random(7, 5, 1, 4, 4);
        var values = network.Forward(images, training, ScalarType.Float32, features => features).data<float>();
        double[][] logits = [.. values.Select(value => (double)value).Chunk(Shape.Labels)];
        return logits.Select((row, i) =>
        {
            var sum = Math.Log(row.Sum(Math.Exp));
            var loss = 0.0;
            for (var label = 0; label < row.Length; label++)
            {
                var target = smoothing / row.Length + (label == Labels[i] ? 1 - smoothing : 0);
                loss -= target * (row[label] - sum);
            }

            return loss * (weights?[i] ?? 1);
        }).Average();
    }
}

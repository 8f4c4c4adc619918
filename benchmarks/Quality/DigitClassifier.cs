using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Training;
using TorchSharp.Modules;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>
/// A small convolutional network that classifies digits. The activations of its last hidden layer are the features by
/// which images are compared.
/// </summary>
internal sealed class DigitClassifier : IDisposable
{
    private const int FeatureCount = 64;

    private readonly Sequential _features;
    private readonly Linear _logits;

    private DigitClassifier(UNetShape shape, Generator random)
    {
        _features = Sequential(
            Conv2d(shape.Channels, 32, 3, padding: 1), ReLU(), MaxPool2d(2),
            Conv2d(32, 64, 3, padding: 1), ReLU(), MaxPool2d(2),
            Flatten(), Linear(64 * (shape.Height / 4) * (shape.Width / 4), FeatureCount), ReLU());
        _logits = Linear(FeatureCount, shape.Labels);

        // He et al. 2015 (arXiv 1502.01852), equation 10. The generator is the classifier's own, not a global one.
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        foreach (var parameter in Parameters)
        {
            var bound = parameter.dim() == 1 ? 0 : Math.Sqrt(6.0 * parameter.shape[0] / parameter.numel());
            parameter.uniform_(-bound, bound, random);
        }
    }

    private IEnumerable<Parameter> Parameters => [.. _features.parameters(), .. _logits.parameters()];

    /// <summary>Trains a classifier with Adam on the cross-entropy.</summary>
    public static DigitClassifier Train(ImageStore images, UNetShape shape, int epochs, ulong seed)
    {
        using var scope = NewDisposeScope();
        using var random = new Generator(seed, CPU);
        using var reader = new BatchReader(images, [shape.Channels, shape.Height, shape.Width], batchSize: 128);
        var classifier = new DigitClassifier(shape, random);
        using var optimizer = optim.Adam(classifier.Parameters, lr: 1e-3);

        for (var epoch = 0; epoch < epochs; epoch++)
        {
            var rows = randperm(images.Count, ScalarType.Int32, generator: random).data<int>().ToArray();
            foreach (var batch in reader.Read(rows))
            {
                using var stepScope = NewDisposeScope();
                var (x, labels) = batch.To(CPU);
                optimizer.zero_grad();
                var logits = classifier._logits.forward(classifier._features.forward(x));
                functional.cross_entropy(logits, labels).backward();
                optimizer.step();
            }
        }
        return classifier;
    }

    /// <summary>Computes the features of images in [-1, 1], (N, C, H, W): (N, 64).</summary>
    public Tensor Features(Tensor images)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        return cat([.. images.split(500).Select(_features.forward)]).MoveToOuterDisposeScope();
    }

    /// <summary>Computes the fraction of features that are classified as their labels, int64 (N).</summary>
    public double Accuracy(Tensor features, Tensor labels)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        return _logits.forward(features).argmax(1).eq(labels).to(ScalarType.Float64).mean().item<double>();
    }

    public void Dispose()
    {
        _features.Dispose();
        _logits.Dispose();
    }
}

using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Training;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace CondDiffusion.MLNet.Classification;

/// <summary>
/// The cross-entropy of the labels, weighted by the images' weights, on images that are augmented in training.
/// </summary>
/// <param name="network">The network to train.</param>
/// <param name="augmentation">How to transform the images.</param>
/// <param name="dropout">The fraction of features that are dropped (Srivastava et al. 2014).</param>
/// <param name="labelSmoothing">
/// The fraction of each label that is spread over all labels (Szegedy et al. 2016, arXiv 1512.00567, section 7).
/// </param>
/// <param name="type">Data type of the convolutions and activations.</param>
internal sealed class ClassificationLoss(
    ClassifierNetwork network, AffineAugmentation augmentation, double dropout, double labelSmoothing, ScalarType type)
    : ITrainingLoss
{
    public Tensor Compute(Batch batch, Generator random, bool training)
    {
        using var scope = NewDisposeScope();
        var (x, labels) = batch.To(network.Device);
        if (training) x = augmentation.Apply(x, random).Images;

        var logits = network.Forward(x, training, type, features => training ? Drop(features, random) : features);
        var smoothing = training ? labelSmoothing : 0;
        var losses = functional.cross_entropy(logits, labels, reduction: Reduction.None, label_smoothing: smoothing);
        return (losses * batch.WeightsTo(network.Device)).mean().MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
    }

    /// <summary>Sets a fraction of the features to 0, at random, and scales the others up.</summary>
    private Tensor Drop(Tensor features, Generator random)
    {
        if (dropout == 0) return features;

        var dropped = rand(features.shape, ScalarType.Float32, CPU, generator: random).IsBelow(dropout);
        return (features * dropped.logical_not().to(features.device)).Over(1 - dropout);
    }
}

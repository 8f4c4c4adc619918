using CondDiffusion.MLNet.Evaluation;
using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Training;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>
/// Scores generated images against as many images of the test set, by the features of a classifier that was trained on
/// the training set.
/// </summary>
internal sealed class ImageScore : IDisposable
{
    private readonly DigitClassifier _classifier;
    private readonly Tensor _testFeatures;

    /// <param name="training">The images to train the classifier on.</param>
    /// <param name="test">The images to compare with.</param>
    /// <param name="shape">The shape of the images.</param>
    /// <param name="perLabel">The number of images of each label.</param>
    public ImageScore(ImageStore training, ImageStore test, UNetShape shape, int perLabel)
    {
        using var scope = NewDisposeScope();
        _classifier = DigitClassifier.Train(training, shape, epochs: 2, seed: 1);
        var (x, labels) = Read(test, shape, [.. Enumerable.Range(0, test.Count)]);
        TestAccuracy = _classifier.Accuracy(_classifier.Features(x), labels);
        _testFeatures = _classifier.Features(Sample(test, shape, perLabel).Images).DetachFromDisposeScope();
        var (floor, floorLabels) = Sample(training, shape, perLabel);
        Floor = Compute(floor, floorLabels);
    }

    /// <summary>Gets the fraction of the test set that the classifier gets right.</summary>
    public double TestAccuracy { get; }

    /// <summary>Gets the score of as many images of the training set: no model can be expected to do better.</summary>
    public (double Accuracy, double Frechet) Floor { get; }

    /// <summary>Computes the score of images.</summary>
    /// <param name="images">The images in [-1, 1], (N, C, H, W).</param>
    /// <param name="labels">The labels that they should show, int64 (N).</param>
    /// <returns>The fraction that is classified as its label, and the Fréchet distance.</returns>
    public (double Accuracy, double Frechet) Compute(Tensor images, Tensor labels)
    {
        using var scope = NewDisposeScope();
        var features = _classifier.Features(images);
        return (_classifier.Accuracy(features, labels), FrechetDistance.Between(features, _testFeatures));
    }

    public void Dispose()
    {
        _classifier.Dispose();
        _testFeatures.Dispose();
    }

    /// <summary>Returns the first images of each label.</summary>
    private static (Tensor Images, Tensor Labels) Sample(ImageStore store, UNetShape shape, int perLabel)
    {
        var image = new float[shape.Pixels];
        var rows = Enumerable.Range(0, store.Count)
            .GroupBy(row => store.Read(row, image))
            .SelectMany(sameLabel => sameLabel.Take(perLabel));
        return Read(store, shape, [.. rows]);
    }

    private static (Tensor Images, Tensor Labels) Read(ImageStore store, UNetShape shape, int[] rows)
    {
        using var reader = new BatchReader(store, [shape.Channels, shape.Height, shape.Width], rows.Length);
        var (images, labels) = reader.Read(rows).Single().To(CPU);
        return (images.clone(), labels.clone());
    }
}

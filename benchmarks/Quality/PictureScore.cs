using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Training;
using static TorchSharp.torch;

namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>Scores pictures against as many images of the test set, in the features of a classifier that was trained on the training set.</summary>
internal sealed class PictureScore : IDisposable
{
    private readonly DigitClassifier _classifier;
    private readonly Tensor _testFeatures;

    /// <param name="training">Images to train the classifier on.</param>
    /// <param name="test">Images to compare with.</param>
    /// <param name="shape">Of the images.</param>
    /// <param name="perLabel">Pictures of each label.</param>
    public PictureScore(ImageStore training, ImageStore test, UNetShape shape, int perLabel)
    {
        using var scope = NewDisposeScope();
        _classifier = DigitClassifier.Train(training, shape, epochs: 2, seed: 1);
        var (x, labels) = Read(test, shape, [.. Enumerable.Range(0, test.Count)]);
        TestAccuracy = _classifier.Accuracy(_classifier.Features(x), labels);
        _testFeatures = _classifier.Features(Sample(test, shape, perLabel).Images).DetachFromDisposeScope();
        var (floor, floorLabels) = Sample(training, shape, perLabel);
        Floor = Of(floor, floorLabels);
    }

    /// <summary>The share of the test set that the classifier gets right.</summary>
    public double TestAccuracy { get; }

    /// <summary>What as many images of the training set score: no pictures can be expected to do better.</summary>
    public (double Accuracy, double Frechet) Floor { get; }

    /// <param name="pictures">In [-1, 1], (N, C, H, W).</param>
    /// <param name="labels">What they should show, int64 (N).</param>
    /// <returns>The share that is classified as its label, and the Fréchet distance.</returns>
    public (double Accuracy, double Frechet) Of(Tensor pictures, Tensor labels)
    {
        using var scope = NewDisposeScope();
        var features = _classifier.Features(pictures);
        return (_classifier.Accuracy(features, labels), FrechetDistance.Between(features, _testFeatures));
    }

    public void Dispose()
    {
        _classifier.Dispose();
        _testFeatures.Dispose();
    }

    /// <summary>The first images of each label.</summary>
    private static (Tensor Images, Tensor Labels) Sample(ImageStore store, UNetShape shape, int perLabel)
    {
        var image = new float[shape.Pixels];
        return Read(store, shape, [.. Enumerable.Range(0, store.Count).GroupBy(row => store.Read(row, image)).SelectMany(rows => rows.Take(perLabel))]);
    }

    private static (Tensor Images, Tensor Labels) Read(ImageStore store, UNetShape shape, int[] rows)
    {
        using var reader = new BatchReader(store, shape, rows.Length);
        var (images, labels) = reader.Read(rows).Single().To(CPU);
        return (images.clone(), labels.clone());
    }
}

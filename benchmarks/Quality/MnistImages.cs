using CondDiffusion.MLNet.Network;
using CondDiffusion.MLNet.Training;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms;

namespace CondDiffusion.MLNet.Benchmarks;

/// <summary>Reads MNIST as the trainer does, with the digit itself as the label row.</summary>
internal static class MnistImages
{
    public static ImageStore Read(string directory, MnistSplit split, UNetShape shape, long rows = long.MaxValue)
    {
        var ml = new MLContext();
        var view = ml.Data.TakeRows(ml.Data.LoadMnist(directory, split), rows);
        var normalized = ml.Transforms.NormalizeImages("Pixels", "Image", shape.Width, shape.Height).Normalize(view);
        var vectors = ml.Transforms.Conversion
            .MapValueToKey("Label", keyOrdinality: ValueToKeyMappingEstimator.KeyOrdinality.ByValue)
            .Fit(normalized).Transform(normalized);
        var store = new ImageStore(shape.Pixels);
        TrainingDataReader.Read(vectors, vectors.Schema["Label"], vectors.Schema["Pixels"], store, () => { });
        return store;
    }
}

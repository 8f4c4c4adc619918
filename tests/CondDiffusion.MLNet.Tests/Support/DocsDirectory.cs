using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Tests.Support;

/// <summary>A current directory as the documents assume it: two small digits, a 3 and an 8, in data/mnist.</summary>
internal sealed class DocsDirectory : IDisposable
{
    private readonly string _previous = Environment.CurrentDirectory;
    private readonly TemporaryDirectory _directory = new();

    public DocsDirectory()
    {
        var data = Directory.CreateDirectory(_directory.File("data/mnist")).FullName;
        var pixels = Enumerable.Range(0, 2 * 28 * 28).Select(i => (byte)(i / 3)).ToArray();
        File.WriteAllBytes(Path.Combine(data, IdxWriter.Images), IdxWriter.Bytes(2051, [2, 28, 28], pixels));
        File.WriteAllBytes(Path.Combine(data, IdxWriter.Labels), IdxWriter.Bytes(2049, [2], [3, 8]));
        Environment.CurrentDirectory = _directory.Path;
    }

    /// <summary>Trains on the two digits, and saves digits.zip.</summary>
    public static ITransformer SaveModel(MLContext ml, ConditionalDiffusionTrainer.Options? options = null)
    {
        var pipeline = ml.Transforms.NormalizeImages("Pixels", "Image", 28, 28)
            .Append(ml.Transforms.Conversion.MapValueToKey("Label"))
            .Append(ml.ImageGeneration.Trainers.ConditionalDiffusion(options ?? Tiny.Shrink(new())));
        var model = pipeline.Fit(ml.Data.LoadMnist("data/mnist")).GetModelFor(TransformerScope.Scoring);
        ml.Model.Save(model, null, "digits.zip");
        return model;
    }

    public void Dispose()
    {
        Environment.CurrentDirectory = _previous;
        _directory.Dispose();
    }
}

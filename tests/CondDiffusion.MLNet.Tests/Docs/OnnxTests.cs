using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Tests.Docs;

/// <summary>Runs the code of docs/onnx.md.</summary>
[TestClass]
public sealed class OnnxTests
{
    private static readonly SamplingOptions Exact = new() { Precision = Precision.Float32 };

    [TestMethod]
    public void SaveAndConvert_AsTheyStand_GiveTheSameImages()
    {
        using var directory = new DocsDirectory();
        var options = Tiny.Shrink(new()) with { Sampling = Exact };
        using var trained = (IDisposable)DocsDirectory.SaveModel(new MLContext(seed: 1), options);
        // snippet: save
        var ml = new MLContext();
        ITransformer model = ml.Model.Load("digits.zip", out _);
        ml.ImageGeneration.SaveAsOnnx(model, "digits.onnx");
        // end
        using var disposable = (IDisposable)model;
        var saved = File.ReadAllBytes("digits.onnx");
        // snippet: convert
        new MLContext().ImageGeneration.ConvertToOnnx("digits.zip", "digits.onnx", new OnnxExportOptions
        {
            Weights = OnnxWeights.Float32,                // or Float16, for half the size
            Sampling = new SamplingOptions { Steps = 10 },    // or null, the default, for that of the model
        });
        // end
        Assert.AreNotSequenceEqual(saved, File.ReadAllBytes("digits.onnx"));
        File.WriteAllBytes("digits.onnx", saved);
        // snippet: generate
        using var generator = OnnxImageGenerator.Load("digits.onnx");
        IReadOnlyList<MLImage> images = generator.Generate(["3", "8"], seeds: [1, 2]);
        // end
        var transformer = ((IEnumerable<ITransformer>)model).OfType<ConditionalDiffusionTransformer>().Single();
        Tiny.AreClose(
            [.. transformer.Generate(["3", "8"], [1, 2]).Select(image => image.Pixels.ToArray())],
            [.. images.Select(image => image.Pixels.ToArray())]);
    }

    [TestMethod]
    public void ApplyOnnxModel_AsItStands_IsSavedAndServed()
    {
        using var directory = new DocsDirectory();
        var options = Tiny.Shrink(new()) with { Sampling = Exact };
        using var trained = (IDisposable)DocsDirectory.SaveModel(new MLContext(seed: 1), options);
        new MLContext().ImageGeneration.ConvertToOnnx("digits.zip", "digits.onnx");
        // snippet: pipeline
        var ml = new MLContext();
        var sizes = new Dictionary<string, int[]>
        {
            ["label"] = [1],
            ["noise"] = [1, 1, 28, 28],    // one row; channels, height and width of the images
            ["guidance"] = [1],
            ["pixels"] = [1, 1, 28, 28],
        };
        var pipeline = ml.Transforms.ApplyOnnxModel(
            ["pixels"], ["label", "noise", "guidance"], "digits.onnx", sizes, gpuDeviceId: null, fallbackToCpu: false,
            recursionLimit: 100);          // chooses this overload

        IDataView none = ml.Data.LoadFromEnumerable<Request>([]);
        ITransformer model = pipeline.Fit(none);
        ml.Model.Save(model, none.Schema, "digits-onnx.zip");

        // later, in a process that has neither TorchSharp nor CondDiffusion.MLNet
        ITransformer loaded = new MLContext().Model.Load("digits-onnx.zip", out _);
        using var engine = ml.Model.CreatePredictionEngine<Request, Reply>(loaded);
        var request = new Request { Label = [0], Noise = CreateNoise(seed: 1, 28 * 28), Guidance = [2] };
        float[] pixels = engine.Predict(request).Pixels;
        // end
        using var disposable = (IDisposable)model;
        Assert.HasCount(28 * 28, pixels);

        using var generator = OnnxImageGenerator.Load("digits.onnx");
        new RowNoise(1, 7).Fill(request.Noise, 0); // the noise of the seed 7 in a model whose training had the seed 1
        var expected = generator.GenerateBatches([new Condition(0, 7, 2)]).Single();
        Assert.AreSequenceEqual(expected, engine.Predict(request).Pixels);
        Assert.AreSequenceEqual(expected, Pixels(model, request));
        request.Label = [1];
        Assert.AreNotSequenceEqual(expected, Pixels(model, request));

        request.Label = [2];
        Assert.IsTrue(Pixels(model, request).All(float.IsNaN));

        float[] Pixels(ITransformer model, Request row) =>
            model.Transform(ml.Data.LoadFromEnumerable([row])).GetColumn<float[]>("pixels").Single();
    }

    // snippet: noise
    private static float[] CreateNoise(int seed, int length)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, length).Select(_ => (float)(
            Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble())))];
    }
    // end

    // snippet: rows
    private sealed class Request
    {
        [ColumnName("label"), VectorType(1)]
        public long[] Label { get; set; } = [];

        [ColumnName("noise"), VectorType(1, 1, 28, 28)]
        public float[] Noise { get; set; } = [];

        [ColumnName("guidance"), VectorType(1)]
        public float[] Guidance { get; set; } = [1];
    }

    private sealed class Reply
    {
        [ColumnName("pixels"), VectorType(1, 1, 28, 28)]
        public float[] Pixels { get; set; } = [];
    }
    // end
}

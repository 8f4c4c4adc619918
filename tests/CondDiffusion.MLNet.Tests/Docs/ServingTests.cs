using System.Runtime.Loader;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;

namespace CondDiffusion.MLNet.Tests.Docs;

/// <summary>Runs the code of docs/serving.md.</summary>
[TestClass]
public sealed class ServingTests
{
    [TestMethod]
    public void PredictionEngine_AsItStands_Generates()
    {
        using var directory = new DocsDirectory();
        (DocsDirectory.SaveModel(new MLContext(seed: 1)) as IDisposable)!.Dispose();
        // snippet: prediction engine
        var ml = new MLContext();
        ITransformer model = ml.Model.Load("digits.zip", out _);

        using var engine = ml.Model.CreatePredictionEngine<Request, Reply>(
            model, new PredictionEngineOptions { OwnsTransformer = false });
        MLImage image = engine.Predict(new Request { Label = 3 }).GeneratedImage!;
        // end
        using var disposable = (IDisposable)model;
        Assert.AreEqual(28, image.Width);

        using var other = ml.Model.CreatePredictionEngine<Request, Reply>(
            model, new PredictionEngineOptions { OwnsTransformer = false });
        var firstOfOther = other.Predict(new() { Label = 3 }).GeneratedImage!;
        var second = engine.Predict(new() { Label = 3 }).GeneratedImage!;
        Assert.IsTrue(image.Pixels.SequenceEqual(firstOfOther.Pixels)); // of equal row numbers
        Assert.IsFalse(image.Pixels.SequenceEqual(second.Pixels));
    }

    [TestMethod]
    public async Task WebService_AsItStands_AnswersWithImages()
    {
        using var directory = new DocsDirectory();
        (DocsDirectory.SaveModel(new MLContext(seed: 1)) as IDisposable)!.Dispose();
        string[] args = ["--urls", "http://127.0.0.1:0", "--Logging:LogLevel:Default", "None"];
        // snippet: web service
        var chain = new MLContext().Model.Load("digits.zip", out _);
        var generator = ((IEnumerable<ITransformer>)chain).OfType<ConditionalDiffusionTransformer>().Single();

        var builder = WebApplication.CreateBuilder(args);
        var app = builder.Build();
        app.MapGet("/{label}.png", async (string label, long? seed, CancellationToken aborted) =>
        {
            if (!generator.LabelValues!.Contains(label)) return Results.NotFound();
            IReadOnlyList<MLImage> images = await generator.GenerateAsync(
                [label], [seed ?? Random.Shared.NextInt64()], cancellationToken: aborted);
            using MLImage image = images[0];
            return Results.Bytes(image.ToPng(), "image/png");
        });
        app.Lifetime.ApplicationStopped.Register(generator.Dispose);
        // end
        await app.StartAsync();
        using (var client = new HttpClient { BaseAddress = new(app.Urls.Single()) })
        {
            var images = await Task.WhenAll(Enumerable.Range(0, 4).Select(i =>
                client.GetByteArrayAsync(new Uri($"3.png?seed={i % 2}", UriKind.Relative))));
            Assert.AreSequenceEqual(images[0], images[2]);
            Assert.AreNotSequenceEqual(images[0], images[1]);
            using var answer = MLImage.CreateFromStream(new MemoryStream(images[1]));
            using var expected = (await generator.GenerateAsync(["3"], [1]))[0];
            Tiny.AreClose([expected.Pixels.ToArray()], [answer.Pixels.ToArray()]);
            using var unknown = await client.GetAsync(new Uri("4.png", UriKind.Relative));
            Assert.AreEqual(System.Net.HttpStatusCode.NotFound, unknown.StatusCode);
        }

        await app.StopAsync();
        await app.DisposeAsync();
        Assert.ThrowsExactly<ObjectDisposedException>(() => generator.Generate(["3"]));
    }

    [TestMethod]
    public void Device_AsItStands_LoadsAnywhere()
    {
        using var directory = new DocsDirectory();
        (DocsDirectory.SaveModel(new MLContext(seed: 1)) as IDisposable)!.Dispose();
        // snippet: device
        var ml = new MLContext { GpuDeviceId = 0, FallbackToCpu = true };
        ITransformer model = ml.Model.Load("digits.zip", out _);
        // end
        using var disposable = (IDisposable)model;
        var generator = ((IEnumerable<ITransformer>)model).OfType<ConditionalDiffusionTransformer>().Single();
        var device = TorchSharp.torch.cuda.is_available() ? TorchSharp.DeviceType.CUDA : TorchSharp.DeviceType.CPU;
        generator.Generator.UseNetwork(network => Assert.AreEqual(device, network.Device.type));
        using var image = generator.Generate(["3"]).Single();
        Assert.AreEqual(28, image.Width);
    }

    [TestMethod]
    public void PlugIn_AsItStands_LoadsTheModelWithThePlugInsLibrary()
    {
        using var directory = new DocsDirectory();
        (DocsDirectory.SaveModel(new MLContext(seed: 1)) as IDisposable)!.Dispose();
        var plugin = new AssemblyLoadContext("plug-in");
        plugin.LoadFromAssemblyPath(typeof(ConditionalDiffusionTransformer).Assembly.Location);
        // snippet: plug-in
        ITransformer model;
        using (plugin.EnterContextualReflection()) // AssemblyLoadContext plugin, the one that has CondDiffusion.MLNet
            model = new MLContext().Model.Load("digits.zip", out _);
        // end
        using var disposable = (IDisposable)model;
        var transformer = ((IEnumerable<ITransformer>)model).Last();
        Assert.AreSame(plugin, AssemblyLoadContext.GetLoadContext(transformer.GetType().Assembly));
    }

    // snippet: rows
    private sealed class Request
    {
        public uint Label { get; set; }
    }

    private sealed class Reply
    {
        [ImageType(28, 28)]
        public MLImage? GeneratedImage { get; set; }
    }
    // end
}

using System.Text.Json;
using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Tests.Onnx;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Tests.Demo;

/// <summary>Compares the page of docs/demo with the library.</summary>
[TestClass]
public sealed class DemoTests
{
    [TestMethod]
    [DataRow(1ul, 2L)]
    [DataRow(ulong.MaxValue - 1, -3L)]
    [DataRow(0x9E3779B97F4A7C15, long.MinValue)]
    public async Task Noise_InJavaScript_IsTheLibrarys(ulong modelSeed, long seed)
    {
        var expected = new float[4099];
        new RowNoise(modelSeed, (ulong)seed).Fill(expected, ImageGenerator.InitialNoise);

        var output = await Node.RunAsync(
            $"""
            import * as noise from './noise.js';
            console.log(JSON.stringify([...noise.initialNoise({modelSeed}n, {seed}n, {expected.Length})]));
            """);
        Assert.AreSequenceEqual(expected, JsonSerializer.Deserialize<float[]>(output)!);
    }

    [TestMethod]
    [DataRow(1)]
    [DataRow(3)]
    public async Task Page_LabelsSeedAndGuidance_ShowsTheLibrarysImages(int channels)
    {
        RequireModules();
        using var model = new OnnxModel(OnnxModel.Description with
        {
            Network = OnnxModel.Description.Network with { Channels = channels },
            Seed = ulong.MaxValue - 1, // beyond JavaScript's numbers
        });
        using var generator = OnnxImageGenerator.Load(model.Save(new() { IncludeSteps = channels == 3 }));
        using var server = Node.Start("serve.js", model.Path, "0");
        try
        {
            var url = new Uri((await server.StandardOutput.ReadLineAsync())!);
            using var page = await Chromium.OpenAsync(url);
            await page.WaitAsync("document.getElementById('settings').hidden === false");
            await page.EvaluateAsync(
                """
                for (const box of document.querySelectorAll('[name=label]')) box.checked = box.value !== '0';
                document.getElementById('count').value = 2;
                document.getElementById('seed').value = -1;
                document.getElementById('guidance').value = 3;
                document.querySelector('button').click();
                """);
            await page.WaitAsync("document.getElementById('status').textContent === 'Done: 4 of 4 images.'");

            // The page shows the last step at the end.
            var ends = "[...document.images].map(image => image.nextElementSibling.querySelector('a').href)";
            await page.WaitAsync($"JSON.stringify({ends}) === JSON.stringify([...document.images].map(i => i.src))");
            var images = await page.EvaluateAsync("[...document.images].map(image => [image.alt, image.src])");
            var found = images.Deserialize<string[][]>()!;
            Assert.AreSequenceEqual(
                ["dog, seed -1", "dog, seed 0", "no label, seed -1", "no label, seed 0"],
                found.Select(image => image[0]));
            var expected = generator.Generate(["dog", "dog", null, null], [-1, 0, -1, 0], [3, 3, 3, 3]);
            Tiny.AreClose(Bytes(expected), Bytes([.. found.Select(image => Decode(image[1]))]));

            var resources = await page.EvaluateAsync(
                "performance.getEntriesByType('resource').map(resource => resource.name)");
            Assert.IsTrue(
                resources.EnumerateArray().All(resource => url.IsBaseOf(new(resource.GetString()!))), $"{resources}");
        }
        finally
        {
            server.Kill();
        }
    }

    /// <summary>The server has one model for both; the page knows the names of the garments.</summary>
    [TestMethod]
    public async Task Page_AnotherModel_IsLoadedWithItsLabels()
    {
        RequireModules();
        using var model = new OnnxModel(OnnxModel.Description with
        {
            Network = OnnxModel.Description.Network with { Labels = 10 },
            Labels = new(10, ["5", "0", "4", "1", "9", "2", "3", "6", "7", "8"]), // as they come in MNIST
        });
        using var generator = OnnxImageGenerator.Load(model.Save());
        using var server = Node.Start("serve.js", model.Path, "0");
        try
        {
            using var page = await Chromium.OpenAsync(new((await server.StandardOutput.ReadLineAsync())!));
            var labels = "document.getElementById('labels').innerText.split(/\\s*\\n\\s*/).join()";
            await page.WaitAsync($"{labels} === '0,1,2,3,4,5,6,7,8,9,no label'");
            await page.EvaluateAsync(
                """
                document.getElementById('model').value = 'fashion-mnist.onnx';
                document.getElementById('model').dispatchEvent(new Event('change'));
                """);
            await page.WaitAsync(
                $"{labels} === " +
                "'T-shirt,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot,no label'");
            await page.EvaluateAsync(
                """
                for (const box of document.querySelectorAll('[name=label]'))
                    box.checked = box.parentElement.textContent === 'Bag';
                document.querySelector('button').click();
                """);
            await page.WaitAsync("document.images[0]?.alt === 'Bag, seed 1'");
            var image = (await page.EvaluateAsync("document.images[0].src")).GetString()!;
            Tiny.AreClose(Bytes(generator.Generate(["8"], [1])), Bytes([Decode(image)]));
        }
        finally
        {
            server.Kill();
        }
    }

    private static void RequireModules()
    {
        if (!Directory.Exists(Path.Combine(Node.Directory, "node_modules")))
            Assert.Inconclusive($"This test needs 'npm ci' in {Node.Directory}.");
    }

    /// <summary>Decodes the image of a URL that holds a PNG file.</summary>
    private static MLImage Decode(string url)
    {
        const string Start = "data:image/png;base64,";
        Assert.StartsWith(Start, url);
        using var stream = new MemoryStream(Convert.FromBase64String(url[Start.Length..]));
        return MLImage.CreateFromStream(stream);
    }

    private static byte[][] Bytes(IReadOnlyList<MLImage> images)
    {
        byte[][] bytes = [.. images.Select(image => image.Pixels.ToArray())];
        foreach (var image in images) image.Dispose();
        return bytes;
    }
}

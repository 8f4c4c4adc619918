using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;

namespace CondDiffusion.MLNet.Tests.Docs;

/// <summary>Runs the code of docs/pipelines.md.</summary>
[TestClass]
public sealed class PipelinesTests
{
    private readonly ConditionalDiffusionTrainer.Options _options = Tiny.Shrink(new());

    [TestMethod]
    public void ComposeScoreAndNormalize_AsTheyStand_Run()
    {
        using var directory = new DocsDirectory();
        var options = _options;
        // snippet: compose
        var ml = new MLContext(seed: 1);
        IDataView digits = ml.Data.LoadMnist("data/mnist");

        var pipeline = ml.Transforms.NormalizeImages("Pixels", "Image", 32, 32)
            .Append(ml.Transforms.Conversion.MapValueToKey("Label"))
            .Append(ml.ImageGeneration.Trainers.ConditionalDiffusion(options))
            .Append(ml.Transforms.ResizeImages("Large", 64, 64, "GeneratedImage"));
        TransformerChain<ImageResizingTransformer> model = pipeline.Fit(digits);
        // end
        using var trained = model;

        // snippet: scoring
        ml.Model.Save(model, null, "digits.zip");
        IDataView rows = ml.Data.LoadFromEnumerable([new { Label = 3u }, new { Label = 8u }]); // no images needed
        MLImage[] large = [.. model.Transform(rows).GetColumn<MLImage>("Large")];
        // end
        Assert.AreEqual((2, 64), (large.Length, large[1].Width));

        // snippet: normalize
        IDataView prepared = ml.Transforms.NormalizeImages("Pixels", "Image", 32, 32).Normalize(digits);
        float[] pixels = prepared.GetColumn<float[]>("Pixels").First(); // [1, 32, 32], in [-1, 1]
        // end
        Assert.HasCount(32 * 32, pixels);
        Assert.AreEqual((-1f, true), (pixels.Min(), pixels.Max() > 0.9f));
    }

    [TestMethod]
    public void Folder_AsItStands_TrainsOnItsImages()
    {
        using var directory = new DocsDirectory();
        foreach (var (file, level) in new[] { ("cat/1.png", 0), ("cat/2.png", 50), ("dog/1.png", 255) })
        {
            Directory.CreateDirectory(Path.Combine("photos", Path.GetDirectoryName(file)!));
            using var image = TestImages.Plain(4, 4, (byte)level, (byte)level, (byte)level);
            image.Save(Path.Combine("photos", file));
        }

        var ml = new MLContext(seed: 1);
        // snippet: folder
        IDataView files = ml.Data.LoadFromEnumerable(
            from file in Directory.EnumerateFiles("photos", "*.png", SearchOption.AllDirectories) // photos/cat/1.png
            select new { File = file, Label = Path.GetFileName(Path.GetDirectoryName(file)) });   // cat
        IDataView photos = ml.Transforms.LoadImages("Image", imageFolder: "", "File").Fit(files).Transform(files);
        // end
        var options = _options;
        var pipeline = ml.Transforms.NormalizeImages("Pixels", "Image", 32, 32)
            .Append(ml.Transforms.Conversion.MapValueToKey("Label"))
            .Append(ml.ImageGeneration.Trainers.ConditionalDiffusion(options));
        using var model = pipeline.Fit(photos);

        Assert.AreSequenceEqual(["cat", "dog"], model.LastTransformer.LabelValues!.Order(StringComparer.Ordinal));
        var dark = ml.Transforms.NormalizeImages("Pixels", "Image", 1, 1).Normalize(photos);
        Assert.AreSequenceEqual(
            ["cat -1", "cat -0.6", "dog 1"],
            dark.GetColumn<string>("Label").Zip(
                dark.GetColumn<float[]>("Pixels"),
                (label, pixels) => FormattableString.Invariant($"{label} {pixels[0]:0.#}")),
            SequenceOrder.InAnyOrder);
        var dog = ml.Data.LoadFromEnumerable([new { Label = "dog" }]);
        Assert.HasCount(1, model.Transform(dog).GetColumn<MLImage>("GeneratedImage"));
    }

    [TestMethod]
    public void SeedColumn_AsItStands_GivesEqualImagesForEqualSeeds()
    {
        using var directory = new DocsDirectory();
        var options = _options;
        var ml = new MLContext(seed: 1);
        var digits = ml.Data.LoadMnist("data/mnist");
        // snippet: seed column
        var pipeline = ml.Transforms.NormalizeImages("Pixels", "Image", 32, 32)
            .Append(ml.Transforms.Conversion.MapValueToKey("Label"))
            .Append(ml.ImageGeneration.Trainers.ConditionalDiffusion(options with
            {
                Sampling = new SamplingOptions { SeedColumnName = "Seed" },
            }));
        ITransformer generator = pipeline.Fit(digits).GetModelFor(TransformerScope.Scoring);

        IDataView rows = ml.Data.LoadFromEnumerable(
        [
            new { Label = 3u, Seed = 17L },
            new { Label = 8u, Seed = 17L }, // from the noise of the first
            new { Label = 3u, Seed = 17L }, // the first's image again
        ]);
        MLImage[] images = [.. generator.Transform(rows).GetColumn<MLImage>("GeneratedImage")];
        // end
        using var disposable = (IDisposable)generator;
        Tiny.AreClose([images[0].Pixels.ToArray()], [images[2].Pixels.ToArray()]);
        Assert.IsFalse(images[0].Pixels.SequenceEqual(images[1].Pixels));
    }

    [TestMethod]
    public void Seed_AsItStands_GivesOtherImages()
    {
        using var directory = new DocsDirectory();
        var ml = new MLContext(seed: 1);
        ((IDisposable)DocsDirectory.SaveModel(ml)).Dispose();
        // snippet: seed
        ITransformer model = ml.Model.Load("digits.zip", out _);
        ITransformer ten = ml.ImageGeneration.WithSampling(model, new SamplingOptions { Seed = 1 });
        ITransformer tenMore = ml.ImageGeneration.WithSampling(model, new SamplingOptions { Seed = 2 });
        // end
        using (model as IDisposable)
        using (ten as IDisposable)
        using (tenMore as IDisposable)
        {
            var rows = ml.Data.LoadFromEnumerable([new { Label = 3u }]);
            var images = new[] { ten, tenMore }.SelectMany(each => Tiny.ImageBytes(each.Transform(rows))).ToArray();
            Assert.IsFalse(images[0].SequenceEqual(images[1]));
        }
    }

    [TestMethod]
    public void BatchesAndDirectGeneration_AsTheyStand_Run()
    {
        using var directory = new DocsDirectory();
        var ml = new MLContext(seed: 1);
        var model = DocsDirectory.SaveModel(ml);
        using var disposable = (IDisposable)model;
        // snippet: lazy
        IDataView rows = ml.Data.LoadFromEnumerable(Enumerable.Range(0, 1000).Select(_ => new { Label = 3u }));
        IDataView generated = model.Transform(rows);                            // generates nothing
        MLImage first = generated.GetColumn<MLImage>("GeneratedImage").First(); // generates the first batch
        // end
        Assert.AreEqual(32, first.Width);

        // snippet: direct
        var generator = ((IEnumerable<ITransformer>)model).OfType<ConditionalDiffusionTransformer>().Single();
        IReadOnlyList<MLImage> images = generator.Generate(["3", "8"], seeds: [17, 17]);
        // end
        Assert.HasCount(2, images);
    }
}

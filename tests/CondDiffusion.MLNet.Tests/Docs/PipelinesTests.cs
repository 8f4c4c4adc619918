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

        var pipeline = ml.Transforms.NormalizeImages("Pixels", "Image", 28, 28)
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
        IDataView prepared = ml.Transforms.NormalizeImages("Pixels", "Image", 28, 28).Normalize(digits);
        float[] pixels = prepared.GetColumn<float[]>("Pixels").First(); // [1, 28, 28], in [-1, 1]
        // end
        Assert.HasCount(28 * 28, pixels);
        Assert.AreEqual((-1f, true), (pixels.Min(), pixels.Max() > 0.9f));
    }

    [TestMethod]
    public void Folders_AsTheyStand_AreTrainedOnAndWritten()
    {
        using var directory = new DocsDirectory();
        foreach (var (file, level) in new[]
            { ("train/cat/1.png", 0), ("train/cat/2.png", 50), ("train/dog/1.png", 255), ("test/dog/7.jpg", 9) })
        {
            Directory.CreateDirectory(Path.Combine("photos", Path.GetDirectoryName(file)!));
            using var image = TestImages.Plain(4, 4, (byte)level, (byte)level, (byte)level);
            image.Save(Path.Combine("photos", file));
        }

        var ml = new MLContext(seed: 1);
        // snippet: load a folder
        IDataView photos = ml.Data.LoadImageFolder("photos");                         // photos/train/cat/1.png: a cat
        IDataView test = ml.Data.LoadImageFolder("photos", new() { Split = "test" }); // photos/test/dog/7.jpg: a dog
        // end
        Assert.AreSequenceEqual(["dog/7.jpg"], test.GetColumn<string>("FileName"));
        var normalized = ml.Transforms.NormalizeImages("Pixels", "Image", 1, 1).Normalize(photos);
        Assert.AreSequenceEqual(
            ["cat -1", "cat -0.6", "dog 1"],
            normalized.GetColumn<string>("Label").Zip(
                normalized.GetColumn<float[]>("Pixels"),
                (label, pixels) => FormattableString.Invariant($"{label} {pixels[0]:0.#}")));

        var options = _options;
        var pipeline = ml.Transforms.NormalizeImages("Pixels", "Image", 28, 28)
            .Append(ml.Transforms.Conversion.MapValueToKey("Label"))
            .Append(ml.ImageGeneration.Trainers.ConditionalDiffusion(options));
        using var model = pipeline.Fit(photos);
        // snippet: save a folder
        ITransformer generator = ml.ImageGeneration.WithSampling(model, new() { SeedColumnName = "Seed" });
        IDataView rows = ml.Data.LoadFromEnumerable(
            from i in Enumerable.Range(0, 100)
            select new { Label = i % 2 == 0 ? "cat" : "dog", Seed = (long)i, Model = "photos.zip, 20 steps" });
        int written = ImageFolder.Save(generator.Transform(rows), "more", new() { ImageColumnName = "GeneratedImage" });
        IDataView more = ml.Data.LoadImageFolder("more");
        // end
        using var disposable = (IDisposable)generator;
        Assert.AreEqual((100, 100L), (written, more.GetRowCount()));
        Assert.AreSequenceEqual(
            [
                "file_name,label,seed,model",
                "cat/000000.png,cat,0,\"photos.zip, 20 steps\"",
                "dog/000001.png,dog,1,\"photos.zip, 20 steps\"",
            ],
            File.ReadLines("more/metadata.csv").Take(3));
    }

    [TestMethod]
    public void SeedColumn_AsItStands_GivesEqualImagesForEqualSeeds()
    {
        using var directory = new DocsDirectory();
        var options = _options;
        var ml = new MLContext(seed: 1);
        var digits = ml.Data.LoadMnist("data/mnist");
        // snippet: seed column
        var pipeline = ml.Transforms.NormalizeImages("Pixels", "Image", 28, 28)
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
        Assert.AreEqual(28, first.Width);

        // snippet: direct
        var generator = ((IEnumerable<ITransformer>)model).OfType<ConditionalDiffusionTransformer>().Single();
        IReadOnlyList<MLImage> images = generator.Generate(["3", "8"], seeds: [17, 17]);
        // end
        Assert.HasCount(2, images);
    }
}

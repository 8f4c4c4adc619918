using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;

namespace CondDiffusion.MLNet.Tests.Conformance;

[TestClass]
public sealed class ImageTests
{
    private static readonly MLContext Ml = new(seed: 7);

    [TestMethod]
    [DataRow(1, 8, 8)]
    [DataRow(3, 8, 8)]
    [DataRow(1, 8, 12)]
    [DataRow(3, 12, 8)]
    public void ImageColumn_AsFeature_TrainsTheWeightsOfTheExplicitPipeline(int channels, int height, int width)
    {
        var options = Tiny.AnimalOptions with { Channels = channels, Height = height, Width = width };
        var direct = Ml.Transforms.Conversion.MapValueToKey("Label", "Name")
            .Append(Ml.ImageGeneration.Trainers.ConditionalDiffusion(options with { FeatureColumnName = "Image" }))
            .Fit(Tiny.Photos(Ml));
        var pipeline = Ml.Transforms.NormalizeImages("Pixels", "Image", width, height, channels)
            .Append(Ml.Transforms.Conversion.MapValueToKey("Label", "Name"))
            .Append(Ml.ImageGeneration.Trainers.ConditionalDiffusion(options))
            .Fit(Tiny.Photos(Ml));
        using var a = direct.LastTransformer;
        using var b = pipeline.LastTransformer;

        Assert.AreSequenceEqual(Weights(a), Weights(b));
        var image = direct.Transform(Tiny.Photos(Ml)).GetColumn<MLImage>("GeneratedImage").First();
        Assert.AreEqual((width, height), (image.Width, image.Height));
    }

    [TestMethod]
    [DataRow(true, 0, "Training row 0: column 'Image' has no image.")]
    [DataRow(false, 0, "Training row 0: column 'Pixels' has no image.")]
    [DataRow(true, 1, "Training row 1: column 'Image' has no image.")]
    [DataRow(false, 1, "Training row 1: column 'Pixels' has no image.")]
    public void Image_MissingInARow_IsNamed(bool direct, int missing, string expected)
    {
        var rows = Enumerable.Range(0, 3).Select(i => i == missing ? new Tiny.Photo { Name = "cat" } : Cat(i));
        var options = Tiny.AnimalOptions with { FeatureColumnName = direct ? "Image" : "Pixels" };
        var label = Ml.Transforms.Conversion.MapValueToKey("Label", "Name");
        var trainer = Ml.ImageGeneration.Trainers.ConditionalDiffusion(options);
        var pipeline = direct
            ? label.Append(trainer)
            : Ml.Transforms.NormalizeImages("Pixels", "Image", 8, 8).Append(label).Append(trainer);

        var e = Assert.ThrowsExactly<InvalidOperationException>(() => pipeline.Fit(Ml.Data.LoadFromEnumerable(rows)));
        Assert.StartsWith(expected, e.Message);
    }

    [TestMethod]
    public void Images_ReadBefore_AreNamed()
    {
        var rows = Enumerable.Range(0, 3).Select(Cat).ToArray();
        rows[2].Image!.Dispose();
        var options = Tiny.AnimalOptions with { FeatureColumnName = "Image" };
        var trainer = Ml.ImageGeneration.Trainers.ConditionalDiffusion(options);
        var keyed = Tiny.Keyed(Ml, Ml.Data.LoadFromEnumerable(rows));
        var e = Throws.Saying<InvalidOperationException>(
            () => trainer.Fit(keyed),
            "or was read before: ML.NET's image transforms dispose the images that they read.");
        Assert.StartsWith("Training data, row 2, column 'Image', cannot be read", e.Message);
        Assert.IsNotNull(e.InnerException);
    }

    [TestMethod]
    public void NormalizeImages_BetweenOtherEstimators_TrainsTheSameWeights()
    {
        var label = Ml.Transforms.Conversion.MapValueToKey("Label", "Name");
        var normalize = Ml.Transforms.NormalizeImages("Pixels", "Image", 8, 8);
        var trainer = Ml.ImageGeneration.Trainers.ConditionalDiffusion(Tiny.AnimalOptions);
        using var before = normalize.Append(label).Append(trainer).Fit(Tiny.Photos(Ml)).LastTransformer;
        using var after = label.Append(normalize).Append(trainer).Fit(Tiny.Photos(Ml)).LastTransformer;
        Assert.AreSequenceEqual(Weights(before), Weights(after));
    }

    [TestMethod]
    public void NormalizeImages_InAChainInsideTheChain_IsExplained()
    {
        var pipeline = Ml.Transforms.Conversion.MapValueToKey("Label", "Name")
            .Append(Ml.Transforms.NormalizeImages("Pixels", "Image", 8, 8)
                .Append(Ml.Transforms.CopyColumns("Copy", "Name")))
            .Append(Ml.ImageGeneration.Trainers.ConditionalDiffusion(Tiny.AnimalOptions));

        // Rows without a column Pixels: the chain within the chain does not add one.
        var images = Ml.Transforms.DropColumns("Pixels").Fit(Tiny.Photos(Ml)).Transform(Tiny.Photos(Ml));
        Throws.Saying<ArgumentOutOfRangeException>(
            () => pipeline.Fit(images),
            "Could not find feature column 'Pixels'. If NormalizeImages is to make it, put that before the trainer " +
            "in " +
            "the same chain",
            "Or name the image column in FeatureColumnName");
    }

    [TestMethod]
    public void Vector_OfInterleavedColors_IsRefused()
    {
        var extract = Ml.Transforms.ExtractPixels(
            "Pixels", "Small", interleavePixelColors: true, offsetImage: 127.5f, scaleImage: 1 / 127.5f);
        var pipeline = Ml.Transforms.ResizeImages("Small", 8, 12, "Image")
            .Append(extract)
            .Append(Ml.Transforms.Conversion.MapValueToKey("Label", "Name"))
            .Append(Ml.ImageGeneration.Trainers.ConditionalDiffusion(
                Tiny.AnimalOptions with { Channels = 3, Height = 12 }));

        Throws.Saying<ArgumentOutOfRangeException>(
            () => pipeline.Fit(Tiny.Photos(Ml)),
            "feature column 'Pixels'", "[3, 12, 8], or a flat one", "[12, 8, 3]", "interleavePixelColors: false");
    }

    [TestMethod]
    [DataRow(1, 8, 12)]
    [DataRow(2, 4, 12)]
    [DataRow(12, 8)]
    [DataRow(1, 96)]
    public void Vector_OfOtherDimensions_IsRefused(params int[] dimensions)
    {
        var options = Tiny.Options with { Height = 12 };
        var trainer = Ml.ImageGeneration.Trainers.ConditionalDiffusion(options);
        var e = Throws.Saying<ArgumentOutOfRangeException>(
            () => trainer.Fit(Vectors(dimensions)), "[1, 12, 8], or a flat one", $"[{string.Join(", ", dimensions)}]");
        Assert.DoesNotContain("interleave", e.Message);
    }

    [TestMethod]
    [DataRow(96)]
    [DataRow(1, 12, 8)]
    public void Vector_FlatOrOfPlanes_IsAccepted(params int[] dimensions)
    {
        var trainer = Ml.ImageGeneration.Trainers.ConditionalDiffusion(Tiny.Options with { Height = 12 });
        using var model = trainer.Fit(Vectors(dimensions));
        Assert.AreEqual(12, model.GetOutputSchema(Tiny.Rows(Ml).Schema)["GeneratedImage"].Type switch
        {
            ImageDataViewType image => image.Height,
            _ => 0,
        });
    }

    [TestMethod]
    public void ImageColumn_ForTwoChannels_IsRefused()
    {
        var options = Tiny.AnimalOptions with { FeatureColumnName = "Image", Channels = 2 };
        Throws.Saying<InvalidOperationException>(
            () => Tiny.FitAnimals(Ml, options),
            "Column 'Image' has images, which give 1 or 3 channels, but Channels is 2.");
    }

    [TestMethod]
    public void GeneratedImage_OfTwoChannels_IsOnlyAVector()
    {
        using var transformer = Tiny.FitAnimals(Ml, Tiny.AnimalOptions with { Channels = 2, Height = 4 });
        var view = transformer.Transform(Tiny.KeyedAnimals(Ml));
        Assert.HasCount(Tiny.AnimalCount, view.GetColumn<float[]>("GeneratedPixels").ToArray());
        var e = Assert.ThrowsExactly<InvalidOperationException>(() => Tiny.ImageBytes(view));
        Assert.StartsWith(
            "Column 'GeneratedImage': an image has 1 or 3 channels, but this model generates 2.", e.Message);
    }

    [TestMethod]
    public void GeneratedImages_AfterToArray_AreTheCallers()
    {
        using var transformer = Tiny.FitAnimals(Ml);
        var view = transformer.Transform(Tiny.KeyedAnimals(Ml));
        var expected = Tiny.ImageBytes(view);
        foreach (var reuse in new[] { false, true })
        {
            var rows = Ml.Data.CreateEnumerable<Tiny.GeneratedRow>(view, reuse);
            var images = rows.Select(row => row.GeneratedImage!).ToArray();
            for (var i = 0; i < images.Length; i++)
            {
                Assert.AreSequenceEqual(expected[i], images[i].Pixels.ToArray());
                images[i].Dispose(); // which leaves the others alive
            }
        }

        using var cursor = view.GetRowCursor(view.Schema);
        var getter = cursor.GetGetter<MLImage>(view.Schema["GeneratedImage"]);
        cursor.MoveNext();
        MLImage first = null!;
        MLImage second = null!;
        getter(ref first);
        getter(ref second);
        Assert.AreNotSame(first, second);
        first.Dispose();
        Assert.AreSequenceEqual(expected[0], second.Pixels.ToArray());
    }

    [TestMethod]
    public void GeneratedImages_FedToMLNetsTransforms_AreReadAsTheyAre()
    {
        var options = Tiny.AnimalOptions with { Channels = 3, FeatureColumnName = "Image" };
        using var transformer = Tiny.FitAnimals(Ml, options);
        var data = transformer.Transform(Tiny.KeyedAnimals(Ml));
        var view = Ml.Transforms
            .ExtractPixels(
                "Extracted", "GeneratedImage", orderOfExtraction: ImagePixelExtractingEstimator.ColorsOrder.ARGB)
            .Append(Ml.Transforms.ResizeImages("Large", 9, 7, "GeneratedImage"))
            .Append(Ml.Transforms.ConvertToGrayscale("Grey", "GeneratedImage"))
            .Fit(data).Transform(data);

        var pixels = view.GetColumn<float[]>("GeneratedPixels").ToArray();
        var extracted = view.GetColumn<float[]>("Extracted").ToArray();
        for (var i = 0; i < Tiny.AnimalCount; i++)
            Assert.AreSequenceEqual(pixels[i].Select(x => MathF.Round((x + 1) * 127.5f)), extracted[i]);

        Assert.IsTrue(view.GetColumn<MLImage>("Large").All(image => (image.Width, image.Height) == (9, 7)));
        Assert.IsTrue(view.GetColumn<MLImage>("Grey").All(image =>
            image.Pixels[0] == image.Pixels[1] && image.Pixels[1] == image.Pixels[2]));
    }

    private static Tiny.Photo Cat(int i) =>
        new() { Name = "cat", Image = TestImages.Random(10, 12, MLPixelFormat.Bgra32, i) };

    /// <summary>Returns two labelled vectors of 96 values, whose type has these dimensions.</summary>
    private static IDataView Vectors(int[] dimensions)
    {
        var schema = SchemaDefinition.Create(typeof(Tiny.Image));
        schema[nameof(Tiny.Image.Pixels)].ColumnType = new VectorDataViewType(NumberDataViewType.Single, dimensions);
        var rows = Enumerable.Range(0, 2).Select(i => new Tiny.Image { Label = (uint)i, Pixels = new float[96] });
        return Ml.Data.LoadFromEnumerable(rows, schema);
    }

    private static float[] Weights(ConditionalDiffusionTransformer transformer)
    {
        float[] weights = [];
        transformer.Generator.UseNetwork(
            network => weights = [.. network.Parameters.data<float>(), .. network.Buffers.data<float>()]);
        return weights;
    }
}

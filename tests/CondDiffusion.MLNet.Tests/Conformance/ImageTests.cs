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
        var options = Tiny.Options with { Channels = channels, Height = height, Width = width };
        var direct = Ml.Transforms.Conversion.MapValueToKey("Label", "Name")
            .Append(Ml.ImageGeneration.Trainers.ConditionalDiffusion(options with { FeatureColumnName = "Image" })).Fit(Tiny.Images(Ml));
        var pipeline = Ml.Transforms.NormalizeImages("Pixels", "Image", width, height, channels)
            .Append(Ml.Transforms.Conversion.MapValueToKey("Label", "Name"))
            .Append(Ml.ImageGeneration.Trainers.ConditionalDiffusion(options)).Fit(Tiny.Images(Ml));
        using var a = direct.LastTransformer;
        using var b = pipeline.LastTransformer;

        CollectionAssert.AreEqual(Weights(a), Weights(b));
        var image = direct.Transform(Tiny.Images(Ml)).GetColumn<MLImage>("GeneratedImage").First();
        Assert.AreEqual((width, height), (image.Width, image.Height));
    }

    [TestMethod]
    [DataRow(true, 0, "Training row 0: column 'Image' has no image.")]
    [DataRow(false, 0, "Training row 0: column 'Pixels' has no image.")]
    [DataRow(true, 1, "Training data, row 1, column 'Image', cannot be read: Object is disposed. An image is missing there,")]
    [DataRow(false, 1, "Training data, the rows from 0 on cannot be read: Object is disposed. An image is missing there,")]
    public void Image_MissingInARow_IsNamed(bool direct, int missing, string expected)
    {
        var rows = Enumerable.Range(0, 3).Select(i => new Tiny.ImageRow { Name = "cat", Image = i == missing ? null : TestImages.Random(10, 12, MLPixelFormat.Bgra32, i) });
        var label = Ml.Transforms.Conversion.MapValueToKey("Label", "Name");
        var pipeline = direct
            ? label.Append(Ml.ImageGeneration.Trainers.ConditionalDiffusion(Tiny.Options with { FeatureColumnName = "Image" }))
            : Ml.Transforms.NormalizeImages("Pixels", "Image", 8, 8).Append(label).Append(Ml.ImageGeneration.Trainers.ConditionalDiffusion(Tiny.Options));

        var e = Assert.ThrowsExactly<InvalidOperationException>(() => pipeline.Fit(Ml.Data.LoadFromEnumerable(rows)));
        Assert.StartsWith(expected, e.Message);
    }

    [TestMethod]
    public void Images_ReadBefore_AreNamed()
    {
        var rows = Enumerable.Range(0, 3).Select(i => new Tiny.ImageRow { Name = "cat", Image = TestImages.Random(10, 12, MLPixelFormat.Bgra32, i) }).ToArray();
        rows[2].Image!.Dispose();
        var trainer = Ml.ImageGeneration.Trainers.ConditionalDiffusion(Tiny.Options with { FeatureColumnName = "Image" });
        var e = Assert.ThrowsExactly<InvalidOperationException>(() => trainer.Fit(Tiny.Keyed(Ml, Ml.Data.LoadFromEnumerable(rows))));
        Assert.StartsWith("Training data, row 2, column 'Image', cannot be read", e.Message);
        Assert.Contains("or was read before: ML.NET's image transforms dispose what they read.", e.Message);
        Assert.IsNotNull(e.InnerException);
    }

    [TestMethod]
    public void NormalizeImages_NotFirstInThePipeline_IsExplained()
    {
        var pipeline = Ml.Transforms.Conversion.MapValueToKey("Label", "Name").Append(Ml.Transforms.NormalizeImages("Pixels", "Image", 8, 8))
            .Append(Ml.ImageGeneration.Trainers.ConditionalDiffusion(Tiny.Options));

        // Rows without a column Pixels: the chain within the chain does not make one.
        var images = Ml.Transforms.DropColumns("Pixels").Fit(Tiny.Images(Ml)).Transform(Tiny.Images(Ml));
        var e = Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => pipeline.Fit(images));
        Assert.Contains("Could not find feature column 'Pixels'. If NormalizeImages is to make it, begin the pipeline with that", e.Message);
        Assert.Contains("or name the image column in FeatureColumnName", e.Message);
    }

    [TestMethod]
    public void ImageColumn_ForTwoChannels_IsRefused()
    {
        var trainer = Ml.ImageGeneration.Trainers.ConditionalDiffusion(Tiny.Options with { FeatureColumnName = "Image", Channels = 2 });
        var e = Assert.ThrowsExactly<InvalidOperationException>(() => trainer.Fit(Tiny.Keyed(Ml, Tiny.Images(Ml))));
        Assert.Contains("Column 'Image' has images, which give 1 or 3 channels, but Channels is 2.", e.Message);
    }

    [TestMethod]
    public void GeneratedImage_OfTwoChannels_IsAVectorOnly()
    {
        using var transformer = Tiny.Fit(Ml, Tiny.Options with { Channels = 2, Height = 4, PixelsColumnName = "GeneratedPixels" });
        var view = transformer.Transform(Tiny.Keyed(Ml));
        Assert.HasCount(Tiny.Rows, view.GetColumn<float[]>("GeneratedPixels").ToArray());
        var e = Assert.ThrowsExactly<InvalidOperationException>(() => Tiny.Pictures(view));
        Assert.StartsWith("Column 'GeneratedImage': an image has 1 or 3 channels, but this model generates 2.", e.Message);
    }

    [TestMethod]
    public void GeneratedImages_AfterToArray_AreTheCallers()
    {
        using var transformer = Tiny.Fit(Ml, Tiny.Options with { PixelsColumnName = "GeneratedPixels" });
        var view = transformer.Transform(Tiny.Keyed(Ml));
        var expected = Tiny.Pictures(view);
        foreach (var reuse in new[] { false, true })
        {
            var images = Ml.Data.CreateEnumerable<PictureRow>(view, reuse).Select(row => row.GeneratedImage!).ToArray();
            for (var i = 0; i < images.Length; i++)
            {
                CollectionAssert.AreEqual(expected[i], images[i].Pixels.ToArray());
                images[i].Dispose(); // and the others live on
            }
        }

        using var cursor = view.GetRowCursor(view.Schema);
        var getter = cursor.GetGetter<MLImage>(view.Schema["GeneratedImage"]);
        cursor.MoveNext();
        MLImage first = null!, second = null!;
        getter(ref first);
        getter(ref second);
        Assert.AreNotSame(first, second);
        first.Dispose();
        CollectionAssert.AreEqual(expected[0], second.Pixels.ToArray());
    }

    [TestMethod]
    public void GeneratedImages_FedToMLNetsTransforms_AreReadAsTheyAre()
    {
        using var transformer = Tiny.Fit(Ml, Tiny.Options with { Channels = 3, PixelsColumnName = "GeneratedPixels", FeatureColumnName = "Image" });
        var data = transformer.Transform(Tiny.Keyed(Ml));
        var view = Ml.Transforms.ExtractPixels("Extracted", "GeneratedImage", orderOfExtraction: ImagePixelExtractingEstimator.ColorsOrder.ARGB)
            .Append(Ml.Transforms.ResizeImages("Large", 9, 7, "GeneratedImage"))
            .Append(Ml.Transforms.ConvertToGrayscale("Grey", "GeneratedImage")).Fit(data).Transform(data);

        var levels = view.GetColumn<float[]>("GeneratedPixels").Select(pixels => pixels.Select(x => MathF.Round((x + 1) * 127.5f)).ToArray()).ToArray();
        var extracted = view.GetColumn<float[]>("Extracted").ToArray();
        for (var i = 0; i < Tiny.Rows; i++) CollectionAssert.AreEqual(levels[i], extracted[i]);
        Assert.IsTrue(view.GetColumn<MLImage>("Large").All(image => (image.Width, image.Height) == (9, 7)));
        Assert.IsTrue(view.GetColumn<MLImage>("Grey").All(image => image.Pixels[0] == image.Pixels[1] && image.Pixels[1] == image.Pixels[2]));
    }

    private static float[] Weights(ConditionalDiffusionTransformer transformer)
    {
        float[] weights = [];
        transformer.Generator.UseNetwork(network => weights = [.. network.Parameters.data<float>(), .. network.Buffers.data<float>()]);
        return weights;
    }
}

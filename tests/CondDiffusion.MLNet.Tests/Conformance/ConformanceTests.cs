using CondDiffusion.MLNet.Interop;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;

namespace CondDiffusion.MLNet.Tests.Conformance;

[TestClass]
public sealed class ConformanceTests
{
    private readonly MLContext _ml = new(seed: 7);

    [TestMethod]
    [DataRow("Name", false, false, false)]
    [DataRow("Name", true, true, false)]
    [DataRow("Name", false, true, true)]
    [DataRow("Number", false, true, false)]
    [DataRow("Number", true, false, true)]
    [DataRow("Flag", false, false, true)]
    [DataRow("Flag", true, true, true)]
    public void Trainer_OfAnyLabelAndFeature_Conforms(string label, bool images, bool pixels, bool seed)
    {
        var rows = images ? Tiny.Images(_ml) : Tiny.Vectors(_ml);
        var keyed = Tiny.Keyed(_ml, rows, label);
        var trainer = _ml.ImageGeneration.Trainers.ConditionalDiffusion(Options(images, pixels, seed));

        var withoutImages = _ml.Transforms.DropColumns(images ? ["Image", "Pixels"] : ["Pixels"]).Fit(keyed).Transform(keyed);
        EstimatorConformance.Check(_ml, trainer, keyed, withoutImages, invalid: rows);
    }

    [TestMethod]
    [DataRow("Name", false, true, false)]
    [DataRow("Number", true, true, true)]
    [DataRow("Flag", false, false, true)]
    public void Trainer_InChain_Conforms(string label, bool images, bool pixels, bool seed)
    {
        var chain = _ml.Transforms.Conversion.MapValueToKey("Label", label)
            .Append(_ml.ImageGeneration.Trainers.ConditionalDiffusion(Options(images, pixels, seed)));

        var invalid = _ml.Data.LoadFromEnumerable([new Unrelated()]);
        EstimatorConformance.Check(_ml, chain, images ? Tiny.Images(_ml) : Tiny.Vectors(_ml), invalid: invalid);
    }

    [TestMethod]
    public void Trainer_BetweenOtherEstimators_Conforms()
    {
        var chain = _ml.Transforms.ResizeImages("Small", 8, 8, "Image")
            .Append(_ml.Transforms.ExtractPixels("Pixels", "Small", ImagePixelExtractingEstimator.ColorBits.Red, offsetImage: 127.5f, scaleImage: 1 / 127.5f))
            .Append(_ml.Transforms.Conversion.MapValueToKey("Label", "Name"))
            .Append(_ml.ImageGeneration.Trainers.ConditionalDiffusion(Options(images: false, pixels: true, seed: false)))
            .Append(_ml.Transforms.ResizeImages("Large", 16, 12, "GeneratedImage"))
            .Append(_ml.Transforms.ConvertToGrayscale("Grey", "Large"))
            .Append(_ml.Transforms.ExtractPixels("Extracted", "Grey", ImagePixelExtractingEstimator.ColorBits.Red))
            .Append(_ml.Transforms.CopyColumns("Copy", "GeneratedPixels"));
        EstimatorConformance.Check(_ml, chain, Tiny.Images(_ml), invalid: Tiny.Vectors(_ml));
    }

    [TestMethod]
    public void Trainer_WithOutputOverItsFeatures_Conforms()
    {
        var trainer = _ml.ImageGeneration.Trainers.ConditionalDiffusion(Tiny.Options with { PixelsColumnName = "Pixels" });
        EstimatorConformance.Check(_ml, trainer, Tiny.Keyed(_ml));
    }

    [TestMethod]
    public void NormalizeImages_AloneAndInTrainingScope_GivesWhatItPromises()
    {
        var images = Tiny.Images(_ml);
        var chain = _ml.Transforms.NormalizeImages("Normalized", "Image", 8, 8, 3);
        var promise = chain.GetOutputSchema(MLNetInternals.Shape(images.Schema)).Single(column => column.Name == "Normalized");
        var delivered = chain.Fit(images).Transform(images, TransformerScope.Training);

        Assert.AreEqual((SchemaShape.Column.VectorKind.Vector, (DataViewType)NumberDataViewType.Single), (promise.Kind, promise.ItemType));
        ViewConformance.AreEqual(delivered, delivered);
        ViewConformance.Refuses(delivered);
    }

    [TestMethod]
    public void LoadMnist_AsView_Conforms()
    {
        var mnist = _ml.Data.TakeRows(_ml.Data.LoadMnist(TestData.Find("mnist")), 5);
        ViewConformance.AreEqual(mnist, mnist);
        ViewConformance.Refuses(_ml.Data.LoadMnist(TestData.Find("mnist")));
    }

    private static ConditionalDiffusionTrainer.Options Options(bool images, bool pixels, bool seed) => Tiny.Options with
    {
        FeatureColumnName = images ? "Image" : "Pixels",
        PixelsColumnName = pixels ? "GeneratedPixels" : null,
        SeedColumnName = seed ? "Seed" : null,
    };

    private sealed class Unrelated
    {
        public float X { get; set; }
    }
}

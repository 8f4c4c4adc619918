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
    [DataRow("Name", Variant.None)]
    [DataRow("Name", Variant.Images | Variant.Pixels)]
    [DataRow("Name", Variant.Pixels | Variant.Seed)]
    [DataRow("Number", Variant.Pixels)]
    [DataRow("Number", Variant.Images | Variant.Seed)]
    [DataRow("Flag", Variant.Seed)]
    [DataRow("Flag", Variant.Images | Variant.Pixels | Variant.Seed)]
    public void Trainer_OfAnyLabelAndFeature_Conforms(string label, Variant variant)
    {
        var rows = Rows(variant);
        var keyed = Tiny.Keyed(_ml, rows, label);
        var trainer = _ml.ImageGeneration.Trainers.ConditionalDiffusion(Options(variant));

        string[] features = variant.HasFlag(Variant.Images) ? ["Image", "Pixels"] : ["Pixels"];
        var withoutImages = _ml.Transforms.DropColumns(features).Fit(keyed).Transform(keyed);
        EstimatorConformance.Check(_ml, trainer, keyed, withoutImages, invalid: rows);
    }

    [TestMethod]
    [DataRow("Name", Variant.Pixels)]
    [DataRow("Number", Variant.Images | Variant.Pixels | Variant.Seed)]
    [DataRow("Flag", Variant.Seed)]
    public void Trainer_InChain_Conforms(string label, Variant variant)
    {
        var chain = _ml.Transforms.Conversion.MapValueToKey("Label", label)
            .Append(_ml.ImageGeneration.Trainers.ConditionalDiffusion(Options(variant)));

        var invalid = _ml.Data.LoadFromEnumerable([new { X = 0f }]);
        EstimatorConformance.Check(_ml, chain, Rows(variant), invalid: invalid);
    }

    [TestMethod]
    public void Trainer_BetweenOtherEstimators_Conforms()
    {
        var extraction = _ml.Transforms.ExtractPixels(
            "Pixels",
            "Small",
            ImagePixelExtractingEstimator.ColorBits.Red,
            offsetImage: 127.5f,
            scaleImage: 1 / 127.5f);
        var chain = _ml.Transforms.ResizeImages("Small", 8, 8, "Image")
            .Append(extraction)
            .Append(_ml.Transforms.Conversion.MapValueToKey("Label", "Name"))
            .Append(_ml.ImageGeneration.Trainers.ConditionalDiffusion(Options(Variant.Pixels)))
            .Append(_ml.Transforms.ResizeImages("Large", 16, 12, "GeneratedImage"))
            .Append(_ml.Transforms.ConvertToGrayscale("Grey", "Large"))
            .Append(_ml.Transforms.ExtractPixels("Extracted", "Grey", ImagePixelExtractingEstimator.ColorBits.Red))
            .Append(_ml.Transforms.CopyColumns("Copy", "GeneratedPixels"));
        EstimatorConformance.Check(_ml, chain, Tiny.Photos(_ml), invalid: Tiny.Animals(_ml));
    }

    [TestMethod]
    public void Trainer_WithOutputOverItsFeatures_Conforms()
    {
        var options = Tiny.AnimalOptions with { PixelsColumnName = "Pixels" };
        var trainer = _ml.ImageGeneration.Trainers.ConditionalDiffusion(options);
        EstimatorConformance.Check(_ml, trainer, Tiny.KeyedAnimals(_ml));
    }

    /// <summary>The rows to generate for have no images: the fitted chain asks for none.</summary>
    [TestMethod]
    [DataRow(true)]
    [DataRow(false)]
    public void Trainer_AfterNormalizeImages_Conforms(bool first)
    {
        var normalize = _ml.Transforms.NormalizeImages("Pixels", "Image", 8, 8);
        var label = _ml.Transforms.Conversion.MapValueToKey("Label", "Name");
        var trainer = _ml.ImageGeneration.Trainers.ConditionalDiffusion(Tiny.AnimalOptions);
        var chain = first ? normalize.Append(label).Append(trainer) : label.Append(normalize).Append(trainer);

        var invalid = _ml.Data.LoadFromEnumerable([new { X = 0f }]);
        EstimatorConformance.Check(_ml, chain, Tiny.Photos(_ml), transform: Tiny.Animals(_ml), invalid);
    }

    [TestMethod]
    public void Normalize_Images_GivesWhatIsPromised()
    {
        var images = Tiny.Photos(_ml);
        var estimator = _ml.Transforms.NormalizeImages("Normalized", "Image", 8, 8, 3);
        var promised = estimator.GetOutputSchema(MLNetInternals.Shape(images.Schema));
        var promise = promised.Single(column => column.Name == "Normalized");
        var delivered = estimator.Normalize(images);

        Assert.AreEqual(SchemaShape.Column.VectorKind.Vector, promise.Kind);
        Assert.AreEqual(NumberDataViewType.Single, promise.ItemType);
        Assert.AreEqual(
            new VectorDataViewType(NumberDataViewType.Single, 3, 8, 8), delivered.Schema["Normalized"].Type);
        ViewConformance.AreEqual(delivered, delivered);
        ViewConformance.Refuses(delivered);
    }

    [TestMethod]
    public void LoadMnist_AsView_Conforms()
    {
        using var directory = new TemporaryDirectory();
        IdxWriter.WriteSet(directory, rows: 5);
        var mnist = _ml.Data.LoadMnist(directory.Path);
        ViewConformance.AreEqual(mnist, mnist);
        ViewConformance.Refuses(mnist);

        Assert.AreSequenceEqual(
            Enumerable.Range(0, 5).Select(row => (uint)IdxWriter.Label(row)), mnist.GetColumn<uint>("Label"));
    }

    private static ConditionalDiffusionTrainer.Options Options(Variant variant) => Tiny.AnimalOptions with
    {
        FeatureColumnName = variant.HasFlag(Variant.Images) ? "Image" : "Pixels",
        PixelsColumnName = variant.HasFlag(Variant.Pixels) ? "GeneratedPixels" : null,
        Sampling = new() { SeedColumnName = variant.HasFlag(Variant.Seed) ? "Seed" : null },
    };

    private IDataView Rows(Variant variant) => variant.HasFlag(Variant.Images) ? Tiny.Photos(_ml) : Tiny.Animals(_ml);

    /// <summary>Which columns the trainer reads and writes.</summary>
    [Flags]
    public enum Variant
    {
        None = 0,

        /// <summary>The features are images, not vectors.</summary>
        Images = 1,

        /// <summary>The pixels are generated too, as vectors.</summary>
        Pixels = 2,

        /// <summary>A column has the rows' seeds.</summary>
        Seed = 4,
    }
}

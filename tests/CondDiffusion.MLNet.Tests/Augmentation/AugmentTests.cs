using CondDiffusion.MLNet.Augmentation;
using CondDiffusion.MLNet.Diffusion;
using CondDiffusion.MLNet.Imaging;
using CondDiffusion.MLNet.Model;
using CondDiffusion.MLNet.Tests.Classification;
using CondDiffusion.MLNet.Tests.Conformance;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Runtime;
using Microsoft.ML.Transforms;
using Microsoft.ML.Transforms.Image;
using TorchSharp;

namespace CondDiffusion.MLNet.Tests.Augmentation;

/// <summary>Augmented views of five cats and two dogs, with a model that has not been trained.</summary>
[TestClass]
public sealed class AugmentTests
{
    private static readonly MLContext Ml = new(seed: 1);

    private static readonly ModelDescription Guided = Tiny.Description with
    {
        GeneratesUnlabelled = true,
        Sampling = new() { GuidanceSigmaLow = 0, GuidanceSigmaHigh = null, Precision = Precision.Float32 },
        BatchSize = 2,
    };

    private static readonly AugmentationOptions Vectors = new()
    {
        LabelColumnName = "Name",
        ImageColumnName = "Pixels",
        Seed = 3,
    };

    [TestMethod]
    public void Augment_Balanced_SpreadsDogsAmongTheRealRows()
    {
        using var model = Tiny.Create(Ml, Guided);
        var view = Ml.ImageGeneration.Augment(Animals(), model, Vectors);
        Assert.AreEqual(10, view.GetRowCount());

        // Three of ten rows: the fourth, the seventh and the last.
        var rows = Read(view);
        Assert.AreEqual("rrrGrrGrrG", string.Concat(rows.Select(row => row.IsGenerated ? 'G' : 'r')));
        Assert.AreEqual("ccccc", Labels(rows, "cat"));
        Assert.AreEqual("ddddd", Labels(rows, "dog"));
        Assert.IsTrue(rows.Where(row => row.IsGenerated).All(row => row.Name == "dog"));

        var real = rows.Where(row => !row.IsGenerated).ToArray();
        foreach (var (row, expected) in real.Zip(AnimalRows()))
        {
            Assert.AreEqual(expected.Name, row.Name);
            Assert.AreEqual(expected.Weight, row.Weight);
            Assert.AreEqual(expected.Comment, row.Comment);
            Assert.AreSequenceEqual(expected.Pixels, row.Pixels);
        }
    }

    [TestMethod]
    public void Augment_Appended_FollowsTheRealRows()
    {
        using var model = Tiny.Create(Ml, Guided);
        var rows = Read(Ml.ImageGeneration.Augment(Animals(), model, Vectors with
        {
            Amount = AugmentationAmount.AtLeast(6),
            Order = AugmentationOrder.Appended,
        }));
        Assert.AreEqual("rrrrrrrGGGGG", string.Concat(rows.Select(row => row.IsGenerated ? 'G' : 'r')));

        // One cat and four dogs, spread evenly.
        Assert.AreEqual("dog dog cat dog dog", string.Join(' ', rows.Skip(7).Select(row => row.Name)));
    }

    [TestMethod]
    [DataRow("Balance", null, 0, 6)]
    [DataRow("AtLeast", null, 0, 2)]
    [DataRow("PerReal", null, 15, 6)]
    [DataRow("Balance", 1.5, 0, 6)]
    [DataRow("Balance", 0.3, 0, 1)]
    [DataRow("PerReal", 1.0, 10, 4)]
    public void Generated_TenAndFour_IsTheAmount(string kind, double? most, int ofTen, int ofFour)
    {
        var amount = kind switch
        {
            "Balance" => AugmentationAmount.Balance,
            "AtLeast" => AugmentationAmount.AtLeast(6),
            _ => AugmentationAmount.PerReal(1.5),
        };
        Assert.AreEqual(ofTen, amount.Generated(10, largest: 10, most));
        Assert.AreEqual(ofFour, amount.Generated(4, largest: 10, most));
    }

    /// <summary>In binary, 100 x 0.29 is a little less than 29.</summary>
    [TestMethod]
    public void Generated_BoundThatBinaryNumbersMiss_IsWhatDecimalOnesSay() =>
        Assert.AreEqual(29, AugmentationAmount.Balance.Generated(100, largest: 1000, mostPerReal: 0.29));

    [TestMethod]
    [DataRow(0.29, 100, 29)] // in binary, 100 x 0.29 is a little less
    [DataRow(0.9, 1, 1)]
    [DataRow(0.5, 1, 0)]
    [DataRow(0.5, 3, 2)]
    [DataRow(0.5, 5, 2)]
    public void Generated_PerReal_IsRoundedHalfToEven(double ratio, int real, int expected) =>
        Assert.AreEqual(expected, AugmentationAmount.PerReal(ratio).Generated(real, largest: 100, mostPerReal: null));

    /// <summary>The images are the model's own for the noise keys of the seed, whatever the batches.</summary>
    [TestMethod]
    public void Augment_Images_FollowFromTheSeedAlone()
    {
        using var model = Tiny.Create(Ml, Guided);
        using var other = Tiny.Create(Ml, Guided with { BatchSize = 3 });
        var first = Generated(Read(Ml.ImageGeneration.Augment(Animals(), model, Vectors)));
        Assert.AreSequenceEqual(first, Generated(Read(Ml.ImageGeneration.Augment(Animals(), other, Vectors))));

        var reseeded = Generated(Read(Ml.ImageGeneration.Augment(Animals(), model, Vectors with { Seed = 4 })));
        Assert.IsFalse(first.SequenceEqual(reseeded));

        // Without guidance they are other images, and with that of the model itself, too.
        var unguided = Generated(
            Read(Ml.ImageGeneration.Augment(Animals(), model, Vectors with { GuidanceScale = 1 })));
        Assert.IsFalse(first.SequenceEqual(unguided));
        var guided = Generated(
            Read(Ml.ImageGeneration.Augment(Animals(), model, Vectors with { GuidanceScale = 1.25 })));
        Assert.AreSequenceEqual(first, guided);
    }

    /// <summary>Guidance needs images without a label, which such a model has not learnt.</summary>
    [TestMethod]
    public void Augment_ModelThatCannotBeGuided_GeneratesWithoutGuidance()
    {
        using var model = Tiny.Create(Ml, Guided with { GeneratesUnlabelled = false });
        var unguided = Ml.ImageGeneration.Augment(Animals(), model, Vectors with { GuidanceScale = 1 });
        var byDefault = Ml.ImageGeneration.Augment(Animals(), model, Vectors);
        Assert.AreSequenceEqual(Generated(Read(unguided)), Generated(Read(byDefault)));
    }

    /// <summary>An image that was refused has no part in those of other rows.</summary>
    [TestMethod]
    public void Augment_RefusedImages_AreReplacedAlikeInEveryBatchAndFromAnyRow()
    {
        var options = Vectors with
        {
            Amount = AugmentationAmount.AtLeast(10),
            Classifier = Classifier(pixels => pixels[0] > 0 ? "dog" : "cat"),
            MostAttempts = 100,
        };
        var expected = ReadFrom(0, batchSize: 2);
        Assert.HasCount(13, expected);
        foreach (var batchSize in new[] { 1, 3, 7 })
            Assert.AreSequenceEqual(expected, ReadFrom(0, batchSize), $"batches of {batchSize}");
        Assert.AreSequenceEqual(expected[5..], ReadFrom(5, batchSize: 3));

        string[] ReadFrom(int first, int batchSize)
        {
            using var model = Tiny.Create(Ml, Guided with { BatchSize = batchSize });
            var view = Ml.ImageGeneration.Augment(Animals(), model, options);
            using var cursor = view.GetRowCursor(view.Schema);
            var isGenerated = cursor.GetGetter<bool>(view.Schema["IsGenerated"]);
            var getPixels = cursor.GetGetter<VBuffer<float>>(view.Schema["Pixels"]);
            var images = new List<string>();
            var generated = 0;
            while (cursor.MoveNext())
            {
                var generates = false;
                isGenerated(ref generates);
                if (!generates || generated++ < first) continue;

                var pixels = default(VBuffer<float>);
                getPixels(ref pixels);
                images.Add(string.Join(' ', pixels.DenseValues()));
            }

            return [.. images];
        }
    }

    [TestMethod]
    public void Augment_OtherColumns_HaveMissingValuesInGeneratedRows()
    {
        using var model = Tiny.Create(Ml, Guided);
        var row = Read(Ml.ImageGeneration.Augment(Animals(), model, Vectors)).First(row => row.IsGenerated);
        Assert.IsTrue(float.IsNaN(row.Weight));
        Assert.AreEqual("", row.Comment);
        Assert.AreEqual(0, row.Number);
        Assert.AreSequenceEqual([double.NaN, double.NaN], row.Position);
        Assert.AreSequenceEqual([float.NaN, float.NaN, float.NaN], row.Color);
        Assert.AreEqual(0u, row.Group);
    }

    [TestMethod]
    public void Augment_ColumnsOfEveryType_HaveMissingValuesInGeneratedRows()
    {
        using var model = Tiny.Create(Ml, Guided);
        var data = Ml.Data.LoadFromEnumerable(new[] { 1, 3, 4 }.Select(i => new EveryTypeImage(i)));
        var view = Ml.ImageGeneration.Augment(data, model, Vectors);
        var columns = view.Schema.Where(column => column.Name != "Pixels").ToArray();
        var (_, values) = ViewConformance.Read(view, columns.Contains).Single(row => row.Values[^1] is true);

        Dictionary<string, object> expected = new()
        {
            ["Name"] = "cat",
            ["IsGenerated"] = true,
            ["Single"] = float.NaN,
            ["Double"] = double.NaN,
            ["Vector"] = Array.Empty<int>(),
            ["Texts"] = new[] { "", "" },
            ["Sparse"] = Array.Empty<double>(),
        };
        foreach (var (column, value) in columns.Zip(values))
        {
            // Where there is no missing value, 0.
            var missing = expected.GetValueOrDefault(column.Name) ?? Activator.CreateInstance(value!.GetType());
            Cells.AreEqual(missing, value, exact: true, column.Name);
        }
    }

    [TestMethod]
    public void Augment_NotReadImages_AreNotGenerated()
    {
        using var model = Tiny.Create(Ml, Guided);
        var evaluations = 0;
        model.Generator.Shared.Evaluating = rows => evaluations += rows;
        var view = Ml.ImageGeneration.Augment(Animals(), model, Vectors);
        Assert.AreEqual(5, view.GetColumn<string>("Name").Count(name => name == "dog"));
        Assert.AreEqual(3, view.GetColumn<bool>("IsGenerated").Count(generated => generated));
        Assert.AreEqual(0, evaluations);
    }

    [TestMethod]
    public void Augment_KeysAndImages_AreThoseOfTheData()
    {
        using var model = Tiny.Create(Ml, Guided);
        var photos = Ml.Data.LoadFromEnumerable(AnimalRows().Select(row => new Photo
        {
            Image = TestImages.Random(12, 10, MLPixelFormat.Bgra32, 1),
            Name = row.Name,
        }));
        var keyed = Ml.Transforms.Conversion.MapValueToKey("Label", "Name").Fit(photos).Transform(photos);
        var view = Ml.ImageGeneration.Augment(keyed, model, new());
        var labels = view.GetColumn<uint>("Label").ToArray();
        Assert.AreEqual(5, labels.Count(label => label == 1));
        Assert.AreEqual(5, labels.Count(label => label == 2));
        foreach (var image in view.GetColumn<MLImage>("Image"))
        {
            Assert.AreEqual((10, 12), (image.Width, image.Height));
            image.Dispose();
        }
    }

    /// <summary>With both filters. An image is 256 bytes: 2,000 of them would be 500 KB.</summary>
    [TestMethod]
    public void Augment_ManyRows_TakeFlatMemory()
    {
        using var model = Tiny.Create(Ml, Guided with { BatchSize = 250 });
        var view = Ml.ImageGeneration.Augment(Animals(), model, Vectors with
        {
            Amount = AugmentationAmount.AtLeast(1250),
            Classifier = Classifier(pixels => pixels.Average() < 0 ? "cat" : "dog"),
            MostAttempts = 100,
            CopyDistance = 1e-3,
        });
        using var cursor = view.GetRowCursor([view.Schema["Pixels"]]);
        var getPixels = cursor.GetGetter<VBuffer<float>>(view.Schema["Pixels"]);
        VBuffer<float> pixels = default;
        Read(500);
        var (bytes, tensors) = (GC.GetTotalMemory(forceFullCollection: true), torch.Tensor.TotalCount);
        Read(2000);
        Assert.AreEqual(tensors, torch.Tensor.TotalCount);
        Assert.IsLessThan(bytes + 200_000, GC.GetTotalMemory(forceFullCollection: true));

        void Read(int rows)
        {
            for (var i = 0; i < rows; i++)
            {
                Assert.IsTrue(cursor.MoveNext());
                getPixels(ref pixels);
            }
        }
    }

    /// <summary>By hand: a is at 1/4 and 3/4 of the way, and so is b; c is at 1/2.</summary>
    [TestMethod]
    public void Plan_LabelsAtTheSamePlace_KeepTheirOrder()
    {
        var plan = new AugmentationPlan(0, [("a", 2), ("b", 2), ("c", 1)], AugmentationOrder.Appended);
        Assert.AreEqual("abcab", string.Concat(Enumerable.Range(0, 5).Select(plan.LabelOf)));
    }

    /// <summary>Eight bytes for each row.</summary>
    [TestMethod]
    public void Augment_AMillionRows_ArePlannedInTheMemoryOfTheirLabels()
    {
        using var model = Tiny.Create(Ml, Guided);
        var before = GC.GetAllocatedBytesForCurrentThread();
        var view = Ml.ImageGeneration.Augment(
            Animals(), model, Vectors with { Amount = AugmentationAmount.AtLeast(500_000) });
        Assert.IsLessThan(9_000_000, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.AreEqual(1_000_000, view.GetRowCount());
    }

    /// <summary>One cursor computes the scores, and another one passes the images on.</summary>
    [TestMethod]
    public void Augment_ThenClassify_GeneratesTwice()
    {
        using var model = Tiny.Create(Ml, Guided);
        using var classifier = Ml.MulticlassClassification.Trainers
            .ConvolutionalNetwork(Shapes.Options with { LabelColumnName = "Group", FeatureColumnName = "Pixels" })
            .Fit(Animals());
        var accepted = new List<int>();
        var view = Ml.ImageGeneration.Augment(Animals(), model, Vectors with
        {
            Progress = new Progress(progress => accepted.Add(progress.Accepted)),
        });
        Assert.HasCount(10, classifier.Transform(view).GetColumn<uint>("PredictedLabel"));
        Assert.AreEqual(2, accepted.Count(count => count == 3));
    }

    [TestMethod]
    public void Progress_RowsThatAreNotRead_AreNotGenerated()
    {
        var ml = new MLContext(seed: 1);
        var said = new List<string>();
        ml.Log += (_, log) => said.Add(log.RawMessage);
        using var model = Tiny.Create(ml, Guided);
        var counts = new List<AugmentationProgress>();
        var view = ml.ImageGeneration.Augment(Animals(), model, Vectors with
        {
            Amount = AugmentationAmount.AtLeast(12),
            Order = AugmentationOrder.Appended,
            Progress = new Progress(counts.Add),
        });
        using var cursor = view.GetRowCursor([view.Schema["Pixels"]]);
        var getPixels = cursor.GetGetter<VBuffer<float>>(view.Schema["Pixels"]);
        VBuffer<float> pixels = default;
        while (cursor.MoveNext())
        {
            if (cursor.Position >= 20) getPixels(ref pixels);
        }

        Assert.AreEqual((4, 17), (counts[^1].Accepted, counts[^1].Images));
        Assert.HasCount(1, said.Where(line => line.Contains("Generated 4 images", StringComparison.Ordinal)));
    }

    /// <summary>The data is read for the labels, for the copies, to its end and to its first row.</summary>
    [TestMethod]
    public void Augment_CursorsOfTheView_CloseThoseOfTheData()
    {
        using var model = Tiny.Create(Ml, Guided);
        var data = new CountingView(Animals());
        var view = Ml.ImageGeneration.Augment(data, model, Vectors with { CopyDistance = 1e-3 });
        Assert.HasCount(10, ViewConformance.Read(view, _ => true));
        using (var cursor = view.GetRowCursor(view.Schema)) Assert.IsTrue(cursor.MoveNext());
        Assert.AreEqual((4, 0), (data.Opened, data.Open));
    }

    [TestMethod]
    public void MakesImages_RealImages_DependsOnTheirView()
    {
        using var directory = new TemporaryDirectory();
        PhotoFolder.Draw(directory.Path, cats: 2, dogs: 1);
        using var model = Tiny.Create(Ml, Guided);
        var folder = Ml.Data.LoadImageFolder(directory.Path);
        var copied = Ml.Transforms.CopyColumns("Copy", "Image").Fit(folder).Transform(folder);

        Assert.IsTrue(MakesImages(Ml.ImageGeneration.Augment(folder, model)));
        Assert.IsFalse(MakesImages(Ml.ImageGeneration.Augment(copied, model))); // of other views nothing is known

        static bool MakesImages(IDataView view) => ((IImageMaker)view).MakesImages(view.Schema["Image"]);
    }

    [TestMethod]
    public void Augment_Classifier_RefusesWhatItDisputes()
    {
        using var model = Tiny.Create(Ml, Guided);
        var counts = new List<AugmentationProgress>();
        var options = Vectors with
        {
            Amount = AugmentationAmount.AtLeast(12),
            Classifier = Classifier(pixels => pixels.Average() < 0 ? "cat" : "dog"),
            MostAttempts = 100,
            Progress = new Progress(counts.Add),
        };
        var rows = Read(Ml.ImageGeneration.Augment(Animals(), model, options));
        foreach (var row in rows.Where(row => row.IsGenerated))
            Assert.AreEqual(row.Name == "cat", row.Pixels.Average() < 0);

        var last = counts[^1];
        Assert.AreEqual((17, 17, 0), (last.Accepted, last.Images, last.Copied));
        Assert.IsGreaterThan(0, last.Disputed);
        Assert.AreEqual(last.Disputed, last.DisputedByLabel["cat"] + last.DisputedByLabel["dog"]);
        Assert.HasCount(9, counts); // batches of two

        // Undisputed images are those that would have been generated without a classifier.
        var all = Read(Ml.ImageGeneration.Augment(Animals(), model, options with { Classifier = null }));
        var same = rows.Zip(all).Count(pair =>
            pair.First.IsGenerated && pair.First.Pixels.SequenceEqual(pair.Second.Pixels));
        Assert.IsGreaterThan(0, same);
        Assert.IsLessThan(17, same);
    }

    /// <summary>No image is a near copy, so the images are those that the classifier alone accepts.</summary>
    [TestMethod]
    public void Augment_ClassifierAndCopyDistance_RefuseWhatTheClassifierDisputes()
    {
        using var model = Tiny.Create(Ml, Guided with { BatchSize = 6 });
        var classified = Vectors with
        {
            Amount = AugmentationAmount.AtLeast(12),
            Classifier = Classifier(pixels => pixels.Average() < 0 ? "cat" : "dog"),
            MostAttempts = 100,
        };
        var rows = Read(Ml.ImageGeneration.Augment(Animals(), model, classified with { CopyDistance = 1e-3 }));
        foreach (var row in rows.Where(row => row.IsGenerated))
            Assert.AreEqual(row.Name == "cat", row.Pixels.Average() < 0);

        Assert.AreSequenceEqual(
            Generated(Read(Ml.ImageGeneration.Augment(Animals(), model, classified))), Generated(rows));
    }

    [TestMethod]
    public void Augment_LabelThatIsNeverAccepted_EndsWithAnError()
    {
        using var model = Tiny.Create(Ml, Guided);
        var view = Ml.ImageGeneration.Augment(Animals(), model, Vectors with
        {
            Classifier = Classifier(_ => "cow"),
            MostAttempts = 3,
        });
        var exception = Assert.ThrowsExactly<InvalidOperationException>(() => Read(view));
        Assert.Contains("Generated row 0, of the label 'dog': each of 3 images", exception.Message);
        Assert.Contains("0 were accepted, the classifier disputed 6, and 0 were near copies", exception.Message);
        Assert.Contains("Lower LeastProbability or CopyDistance, raise MostAttempts, or train", exception.Message);

        var unsure = Ml.ImageGeneration.Augment(Animals(), model, Vectors with
        {
            Classifier = Classifier(_ => "dog"),
            LeastProbability = 0.8,
            MostAttempts = 1,
        });
        Throws.Saying<InvalidOperationException>(() => Read(unsure), "each of 1 images", "disputed 2");

        var justSure = Ml.ImageGeneration.Augment(Animals(), model, Vectors with
        {
            Classifier = Classifier(_ => "dog", sureness: 0.75f),
            LeastProbability = 0.75,
            MostAttempts = 1,
        });
        Assert.HasCount(10, Read(justSure));
    }

    [TestMethod]
    public void Augment_RowThatIsNeverAccepted_SaysHowManyOthersWere()
    {
        using var model = Tiny.Create(Ml, Guided with { BatchSize = 3 });
        var view = Ml.ImageGeneration.Augment(Animals(), model, Vectors with
        {
            Amount = AugmentationAmount.AtLeast(8),
            Classifier = Classifier(_ => "dog"),
            MostAttempts = 2,
        });
        Throws.Saying<InvalidOperationException>(
            () => Read(view), "of the label 'cat'", "Of all images so far, 2 were accepted, the classifier disputed 2");
    }

    /// <summary>Logarithms of probabilities, or margins, would make the least probability meaningless.</summary>
    [TestMethod]
    [DataRow(-0.7f, "-0.7")]
    [DataRow(2.1f, "2.1")]
    [DataRow(float.NaN, "NaN")]
    public void Augment_ScoresThatAreNoProbabilities_AreRefused(float score, string found)
    {
        using var model = Tiny.Create(Ml, Guided);
        var view = Ml.ImageGeneration.Augment(
            Animals(), model, Vectors with { Classifier = Classifier(_ => "dog", score) });
        Throws.Saying<InvalidOperationException>(
            () => Read(view), "Column 'Score' of the classifier must hold probabilities", $"but has {found}");
    }

    [TestMethod]
    public void Augment_ClassifierThatLeavesRowsOut_IsRefused()
    {
        using var model = Tiny.Create(Ml, Guided);
        var first = new FirstRow(Classifier(_ => "dog"));
        var view = Ml.ImageGeneration.Augment(Animals(), model, Vectors with { Classifier = first });
        Throws.Saying<InvalidOperationException>(() => Read(view), "The classifier gave 1 rows for 2 images.");
    }

    /// <summary>A tensor of the user's would be disposed with a scope of ours, or have no gradient.</summary>
    [TestMethod]
    public void Augment_CodeOfOthers_RunsOutsideTheScope()
    {
        using var model = Tiny.Create(Ml, Guided);
        var kept = new List<torch.Tensor>();
        var animals = Ml.Data.LoadFromEnumerable(AnimalRows().Select(animal =>
        {
            Keep();
            return animal;
        }));
        Read(Ml.ImageGeneration.Augment(animals, model, Vectors with
        {
            Classifier = Classifier(Classify),
            CopyDistance = 1e-3,
            MostAttempts = 100,
            Progress = new Progress(_ => Keep()),
        }));
        const int readings = 3; // for the labels, for the copies, and the test's
        Assert.HasCount(readings * 7 + 3 + 2, kept, "three images are classified, in two batches");
        Assert.DoesNotContain(true, kept.Select(tensor => tensor.IsInvalid));
        foreach (var tensor in kept) tensor.Dispose();

        string Classify(float[] pixels)
        {
            Keep();
            return "dog";
        }

        void Keep()
        {
            Assert.IsTrue(torch.is_grad_enabled());
            kept.Add(torch.ones(1, torch.ScalarType.Float32, torch.CPU));
        }
    }

    [TestMethod]
    public void Augment_Copies_AreGeneratedAgain()
    {
        using var model = Tiny.Create(Ml, Guided);
        var rows = Read(Ml.ImageGeneration.Augment(AnimalsAnd(new float[64], new float[64]), model, Vectors));
        var first = rows.Where(row => row.IsGenerated).ToArray();

        // Two of the three images that the seed gives are in the real data. Three more dogs are due as before.
        var known = AnimalsAnd(first[0].Pixels, first[1].Pixels);
        var counts = new List<AugmentationProgress>();
        var again = Read(Ml.ImageGeneration.Augment(known, model, Vectors with
        {
            CopyDistance = 1e-3,
            Progress = new Progress(counts.Add),
        }));
        Assert.AreEqual((2, 2), (counts[^1].Copied, counts[^1].CopiedByLabel["dog"]));
        var images = again.Where(row => row.IsGenerated).ToArray();
        Assert.IsFalse(images[0].Pixels.SequenceEqual(first[0].Pixels));
        Assert.AreSequenceEqual(first[2].Pixels, images[2].Pixels);
    }

    /// <summary>A copy of an image that the real data has twice, whose nearest neighbour is equal to it.</summary>
    [TestMethod]
    public void Augment_CopiesOfRepeatedImages_AreGeneratedAgain()
    {
        using var model = Tiny.Create(Ml, Guided);
        var others = AnimalsAnd(new float[64], new float[64]);
        var first = Read(Ml.ImageGeneration.Augment(others, model, Vectors)).First(row => row.IsGenerated);
        var known = AnimalsAnd(first.Pixels, first.Pixels);
        var counts = new List<AugmentationProgress>();
        Read(Ml.ImageGeneration.Augment(known, model, Vectors with
        {
            CopyDistance = 1e-3,
            Progress = new Progress(counts.Add),
        }));
        Assert.AreEqual(1, counts[^1].Copied);
    }

    [TestMethod]
    public void Augment_FewerThanTwoDifferentImages_HaveNoCopies()
    {
        using var model = Tiny.Create(Ml, Guided);
        var options = Vectors with { Amount = AugmentationAmount.AtLeast(3), CopyDistance = 0.5 };
        Throws.Saying<ArgumentException>(
            () => Ml.ImageGeneration.Augment(Rows(1), model, options), "CopyDistance", "are 1: two are the least");
        var twice = Ml.ImageGeneration.Augment(Rows(2), model, options);
        Throws.Saying<InvalidOperationException>(() => Read(twice), "CopyDistance", "are 1: two are the least");
        Assert.HasCount(3, Read(Ml.ImageGeneration.Augment(Rows(1), model, options with { CopyDistance = 0 })));

        static IDataView Rows(int count) => Ml.Data.LoadFromEnumerable(Enumerable.Repeat(AnimalRows()[0], count));
    }

    [TestMethod]
    public void Augment_NoLabels_WarnsAndGeneratesNothing()
    {
        var ml = new MLContext(seed: 1);
        var warnings = new List<string>();
        ml.Log += (_, log) =>
        {
            if (log.Kind == ChannelMessageKind.Warning) warnings.Add(log.RawMessage);
        };
        using var model = Tiny.Create(ml, Guided);
        foreach (var count in new[] { 0, 2 })
        {
            warnings.Clear();
            var data = ml.Data.LoadFromEnumerable(Enumerable.Repeat(new Animal { Pixels = new float[64] }, count));
            var view = ml.ImageGeneration.Augment(data, model, Vectors with { Amount = AugmentationAmount.AtLeast(5) });
            Assert.HasCount(count, Read(view));
            Assert.AreSequenceEqual([$"Column 'Name' has no label in {count} rows: nothing is generated."], warnings);
        }
    }

    /// <summary>The model knows cats and dogs; the data has only dogs.</summary>
    [TestMethod]
    public void Augment_LabelsThatTheDataLacks_GetNoImages()
    {
        using var model = Tiny.Create(Ml, Guided);
        var dogs = Ml.Data.LoadFromEnumerable(AnimalRows().Where(row => row.Name == "dog"));
        var rows = Read(Ml.ImageGeneration.Augment(
            dogs, model, Vectors with { Amount = AugmentationAmount.AtLeast(4) }));
        Assert.AreEqual("dog dog dog dog", string.Join(' ', rows.Select(row => row.Name)));
    }

    /// <summary>Keys without values are matched by their numbers, as in Transform: key 1 is cat.</summary>
    [TestMethod]
    public void Augment_KeysWithoutValues_AreMatchedByNumber()
    {
        using var model = Tiny.Create(Ml, Guided with { Labels = new(2, ["2", "1"]) });
        var options = Vectors with { LabelColumnName = "Label", Amount = AugmentationAmount.AtLeast(6) };
        var keys = Ml.Data.LoadFromEnumerable(Tiny.Images);
        var view = Ml.ImageGeneration.Augment(keys, model, options);
        var generated = view.GetColumn<float[]>("Pixels")
            .Zip(view.GetColumn<uint>("Label"), view.GetColumn<bool>("IsGenerated"))
            .Where(row => row.Third)
            .ToArray();
        Assert.HasCount(2, generated);
        var noise = new UInt128(SeedStream.Augmentation(3, 0), 10 + 1); // after the ten rows of the data
        var expected = model.Generator.Generate([new Condition((int)generated[1].Second - 1, noise, 1.25f)]);
        Assert.AreSequenceEqual(expected.Select(value => Math.Clamp(value, -1, 1)), generated[1].First);

        var named = Assert.ThrowsExactly<ArgumentException>(() => Ml.ImageGeneration.Augment(
            Animals(), Tiny.Create(Ml, Guided with { Labels = new(2, null) }), Vectors));
        Assert.Contains("was trained on keys without values", named.Message);
    }

    [TestMethod]
    public void Augment_AugmentedRows_KeepTheirIdsAndStayGenerated()
    {
        using var model = Tiny.Create(Ml, Guided);
        var once = Ml.ImageGeneration.Augment(Animals(), model, Vectors);
        var twice = Ml.ImageGeneration.Augment(once, model, Vectors with { Amount = AugmentationAmount.AtLeast(6) });
        Assert.AreEqual(5, twice.GetColumn<bool>("IsGenerated").Count(x => x));
        var rows = ViewConformance.Read(twice, column => !column.IsHidden);
        Assert.HasCount(12, rows.Select(row => row.Id).Distinct());

        // The second augmentation generates other images, though the seed is the same.
        var images = Read(twice).Where(row => row.IsGenerated).Select(row => string.Join(' ', row.Pixels));
        Assert.HasCount(5, images.Distinct());
    }

    [TestMethod]
    public void Augment_DataThatChangeAfterTheCount_AreAnError()
    {
        using var model = Tiny.Create(Ml, Guided);
        foreach (var change in new[] { -1, 1 })
        {
            var rows = new List<Animal>(AnimalRows());
            var view = Ml.ImageGeneration.Augment(Ml.Data.LoadFromEnumerable(rows), model, Vectors);
            if (change < 0) rows.RemoveAt(0);
            else rows.Add(rows[0]);
            var exception = Assert.ThrowsExactly<InvalidOperationException>(() => Read(view));
            Assert.Contains($"now has {(change < 0 ? "fewer" : "more")}", exception.Message);
        }
    }

    [TestMethod]
    public void Augment_Cancelled_Stops()
    {
        using var model = Tiny.Create(Ml, Guided);
        using var source = new CancellationTokenSource();
        var view = Ml.ImageGeneration.Augment(Animals(), model, Vectors with { CancellationToken = source.Token });
        source.Cancel();
        Assert.ThrowsExactly<OperationCanceledException>(() => Read(view));

        var ml = new MLContext();
        view = ml.ImageGeneration.Augment(Animals(), model, Vectors);
        ml.Cancel();
        Assert.Throws<OperationCanceledException>(() => Read(view));
    }

    /// <summary>A model of 16 steps would evaluate the network 16 times for its first batch.</summary>
    [TestMethod]
    public void Augment_CancelledWhileGenerating_StopsWithinTheStep()
    {
        var sampling = Guided.Sampling with { Steps = 16 };
        using var model = Tiny.Create(Ml, Guided with { Timesteps = 16, Sampling = sampling });
        using var source = new CancellationTokenSource();
        var evaluations = 0;
        model.Generator.Shared.Evaluating = _ =>
        {
            if (++evaluations == 2) source.Cancel();
        };
        var view = Ml.ImageGeneration.Augment(Animals(), model, Vectors with { CancellationToken = source.Token });
        Assert.ThrowsExactly<OperationCanceledException>(() => Read(view));
        Assert.IsLessThan(5, evaluations);
    }

    /// <summary>A distilled model does not clip its pixels, which a trainer wants to be in [-1, 1].</summary>
    [TestMethod]
    public void Augment_ThenATrainer_Trains()
    {
        using var model = Tiny.Create(Ml, Guided with { Sampling = Guided.Sampling with { ClipPixels = false } });
        var view = Ml.ImageGeneration.Augment(Animals(), model, Vectors);
        var keyed = Ml.Transforms.Conversion.MapValueToKey("Label", "Name").Fit(view).Transform(view);
        using var classifier = Ml.MulticlassClassification.Trainers.ConvolutionalNetwork(new()
        {
            FeatureColumnName = "Pixels",
            Height = 8,
            Width = 8,
            ChannelWidths = [2],
            Epochs = 1,
        }).Fit(keyed);
        Assert.AreSequenceEqual(["cat", "dog"], classifier.LabelValues);
        ViewConformance.Refuses(view);
    }

    [TestMethod]
    public void Augment_BadInput_IsRefused()
    {
        Refused("no column 'Kind'", Vectors with { LabelColumnName = "Kind" });
        Refused("no column 'Photo'", Vectors with { ImageColumnName = "Photo" });
        Refused("'Position' must hold images, or vectors of 64 Single", Vectors with { ImageColumnName = "Position" });
        Refused("'Position' of the real data must hold labels", Vectors with { LabelColumnName = "Position" });
        Refused("IsGeneratedColumnName must be another", Vectors with { IsGeneratedColumnName = "Name" });
        Refused("'Comment' of type", Vectors with { IsGeneratedColumnName = "Comment" });
        Refused("generated images; 134217728 are the most", Vectors with { Amount = AugmentationAmount.PerReal(5e11) });
        Refused("MostAttempts must be at least 1", Vectors with { MostAttempts = 0 });
        var filtered = Vectors with { Classifier = Classifier(_ => "dog") };
        Refused("adds no column 'Guess'", filtered with { PredictedLabelColumnName = "Guess" });
        Refused("adds no column 'Sum'", filtered with { ScoreColumnName = "Sum" });
        Refused(
            "'PredictedLabel' of the classifier must hold vectors of Single",
            filtered with { ScoreColumnName = "PredictedLabel" });
        Refused(
            "'Score' of the classified data must hold labels", filtered with { PredictedLabelColumnName = "Score" });
        Refused(
            "'Group' of the classifier has only numbers of keys, and the labels of the data have",
            filtered with { PredictedLabelColumnName = "Group" });
        Refused("'Pixels' must hold images, or vectors of 192 Single in the order [3, 8, 8]", Vectors, WithChannels(3));
        Refused("label 'dog', of which the model cannot", Vectors, Guided with { Labels = new(2, ["cat", "cow"]) });
        Refused(
            "GuidanceScale is 2, but the model cannot be guided",
            Vectors with { GuidanceScale = 2 },
            Tiny.Description);

        static void Refused(string message, AugmentationOptions options, ModelDescription? description = null)
        {
            using var model = Tiny.Create(Ml, description ?? Guided);
            var exception = Assert.ThrowsExactly<ArgumentException>(
                () => Ml.ImageGeneration.Augment(Animals(), model, options));
            Assert.Contains(message, exception.Message);
        }
    }

    [TestMethod]
    public void Augment_ModelWithoutImages_IsRefused()
    {
        using var image = TestImages.Random(12, 10, MLPixelFormat.Bgra32, 1);
        var photos = Ml.Data.LoadFromEnumerable([new Photo { Image = image, Name = "dog" }]);
        using var model = Tiny.Create(Ml, WithChannels(2));
        var options = new AugmentationOptions { LabelColumnName = "Name" };
        Throws.Saying<ArgumentException>(
            () => Ml.ImageGeneration.Augment(photos, model, options),
            "'Image' holds images, which have 1 or 3 channels, but the model generates 2");

        var other = Ml.Transforms.CopyColumns("Copy", "Name").Fit(photos);
        Throws.Saying<ArgumentException>(() => Ml.ImageGeneration.Augment(photos, other, options), "generate");
    }

    [TestMethod]
    public void Augment_ImagesOfAnotherSize_AreResizedWhichIsSaidOnce()
    {
        var ml = new MLContext(seed: 1);
        var said = new List<string>();
        ml.Log += (_, log) => said.Add(log.RawMessage);
        using var model = Tiny.Create(ml, Guided);
        var options = new AugmentationOptions { LabelColumnName = "Name" };
        using var image = TestImages.Random(12, 10, MLPixelFormat.Bgra32, 1);
        var photos = ml.Data.LoadFromEnumerable([new Photo { Image = image, Name = "dog" }]);
        ml.ImageGeneration.Augment(photos, model, options);
        Assert.HasCount(1, said.Where(line => line.Contains(
            "8 x 8 are cropped around their centre and resized to", StringComparison.Ordinal)));

        var schema = SchemaDefinition.Create(typeof(Photo));
        schema["Image"].ColumnType = new ImageDataViewType(10, 10);
        var squares = ml.Data.LoadFromEnumerable([new Photo { Image = image, Name = "dog" }], schema);
        ml.ImageGeneration.Augment(squares, model, options);
        Assert.HasCount(1, said.Where(line => line.Contains("8 x 8 are resized to", StringComparison.Ordinal)));

        said.Clear();
        ml.ImageGeneration.Augment(Animals(), model, Vectors);
        Assert.DoesNotContain("resized", string.Concat(said));
    }

    /// <summary>The animals, and images without a label: as many rows have the same noise for generated ones.</summary>
    private static IDataView AnimalsAnd(params float[][] unlabelled) => Ml.Data.LoadFromEnumerable(
        AnimalRows().Concat(unlabelled.Select(pixels => new Animal { Name = "", Pixels = pixels })));

    private static ModelDescription WithChannels(int channels) =>
        Guided with { Network = Guided.Network with { Channels = channels } };

    private static string Labels(IEnumerable<AugmentedAnimal> rows, string name) =>
        string.Concat(rows.Where(row => row.Name == name).Select(_ => name[0]));

    private static float[] Generated(IEnumerable<AugmentedAnimal> rows) =>
        [.. rows.Where(row => row.IsGenerated).SelectMany(row => row.Pixels)];

    private static AugmentedAnimal[] Read(IDataView view) =>
        [.. Ml.Data.CreateEnumerable<AugmentedAnimal>(view, reuseRowObject: false)];

    private static IDataView Animals() => Ml.Data.LoadFromEnumerable(AnimalRows());

    private static Animal[] AnimalRows() =>
    [
        .. Enumerable.Range(0, 7).Select(i => new Animal
        {
            Name = i is 2 or 5 ? "dog" : "cat",
            Weight = i,
            Comment = $"number {i}",
            Number = i,
            Position = [i, -i],
            Pixels = [.. Enumerable.Range(0, 64).Select(pixel => (pixel * (i + 1) % 7 - 3) / 3f)],
        }),
    ];

    /// <summary>A classifier that is sure by 0.7, or a number, of what a function says.</summary>
    private static CustomMappingTransformer<Pixel, Guess> Classifier(
        Func<float[], string> classify, float sureness = 0.7f)
    {
        return Ml.Transforms.CustomMapping<Pixel, Guess>(Map, contractName: null).Fit(Animals());

        void Map(Pixel pixel, Guess guess)
        {
            guess.PredictedLabel = classify(pixel.Pixels);
            guess.Score = [0.3f, sureness];
        }
    }

    private sealed class Progress(Action<AugmentationProgress> report) : IProgress<AugmentationProgress>
    {
        public void Report(AugmentationProgress value) => report(value);
    }

    private class Animal
    {
        public string Name { get; set; } = "";

        public float Weight { get; set; }

        public string Comment { get; set; } = "";

        public int Number { get; set; }

        [KeyType(3)]
        public uint Group { get; set; } = 1;

        [VectorType(2)]
        public double[] Position { get; set; } = [0, 0];

        [VectorType(3)]
        public float[] Color { get; set; } = [0, 0, 0];

        [VectorType(64)]
        public float[] Pixels { get; set; } = [];
    }

    private sealed class EveryTypeImage(int i) : EveryType(i)
    {
        [VectorType(64)]
        public float[] Pixels { get; set; } = new float[64];
    }

    private sealed class AugmentedAnimal : Animal
    {
        public bool IsGenerated { get; set; }
    }

    private sealed class Photo
    {
        public string Name { get; set; } = "";

        [ImageType(12, 10)]
        public MLImage? Image { get; set; }
    }

    private sealed class Pixel
    {
        [VectorType(64)]
        public float[] Pixels { get; set; } = [];
    }

    private sealed class Guess
    {
        public string PredictedLabel { get; set; } = "";

        [VectorType(2)]
        public float[] Score { get; set; } = [];
    }

    /// <summary>A classifier that gives the first row alone.</summary>
    private sealed class FirstRow(ITransformer classifier) : ITransformer
    {
        public bool IsRowToRowMapper => false;

        public IDataView Transform(IDataView input) => Ml.Data.TakeRows(classifier.Transform(input), 1);

        public DataViewSchema GetOutputSchema(DataViewSchema inputSchema) => classifier.GetOutputSchema(inputSchema);

        public IRowToRowMapper GetRowToRowMapper(DataViewSchema inputSchema) => throw new NotSupportedException();

        void ICanSaveModel.Save(ModelSaveContext ctx) => throw new NotSupportedException();
    }
}

using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Tests.Conformance;

[TestClass]
public sealed class BatchedGenerationTests
{
    private static readonly MLContext Ml = new(seed: 7);
    private static readonly ConditionalDiffusionTransformer Transformer = Tiny.FitAnimals(Ml);

    private readonly IDataView _view = Transformer.Transform(Tiny.KeyedAnimals(Ml));
    private readonly List<int> _batches = [];

    [TestInitialize]
    public void Count() => Transformer.Generator.Shared.BatchStarting = _batches.Add;

    [TestCleanup]
    public void StopCounting()
    {
        Transformer.Generator.Shared.BatchStarting = null;
        Transformer.Generator.Shared.Evaluating = null;
    }

    [ClassCleanup]
    public static void Free() => Transformer.Dispose();

    [TestMethod]
    public void View_ReadCompletely_GeneratesEachBatchOnce()
    {
        ViewConformance.Read(_view, _ => true); // image and pixels
        Assert.AreSequenceEqual([4, 4, 2], _batches);
    }

    [TestMethod]
    public void View_OfAModelWithoutABatchSize_GeneratesBatchesThatSuitTheDevice()
    {
        var batches = new List<int>();
        using var model = Tiny.FitAnimals(Ml, Tiny.AnimalOptions with { GenerationBatchSize = null });
        model.Generator.Shared.BatchStarting = batches.Add;

        var rows = Enumerable.Range(0, 70).Select(_ => new Tiny.NameRow { Name = "cat" });
        Assert.HasCount(70, Tiny.ImageBytes(model.Transform(Tiny.KeyedNames(Ml, rows))));
        Assert.AreSequenceEqual([32, 32, 6], batches);
    }

    [TestMethod]
    public void View_WithoutReadingImages_GeneratesNothing()
    {
        ViewConformance.Read(_view, column => column.Index < _view.Schema["GeneratedImage"].Index);
        using (var cursor = _view.GetRowCursor(_view.Schema))
        {
            var getter = cursor.GetGetter<MLImage>(_view.Schema["GeneratedImage"]); // active, but never called
            while (cursor.MoveNext())
                Assert.IsNotNull(getter);
        }

        Assert.AreEqual(Tiny.AnimalCount, Ml.Data.CreateEnumerable<Tiny.Animal>(_view, reuseRowObject: false).Count());
        Assert.IsEmpty(_batches);
    }

    [TestMethod]
    public void View_ReadInPart_GeneratesFromTheFirstRowReadOn()
    {
        Assert.HasCount(1, Tiny.ImageBytes(Ml.Data.TakeRows(_view, 1)));
        Assert.AreSequenceEqual([4], _batches, "TakeRows(1)");

        _batches.Clear();
        var all = Tiny.ImageBytes(_view);
        _batches.Clear();
        Tiny.AreClose(all[7..], Tiny.ImageBytes(Ml.Data.SkipRows(_view, 7)));
        Assert.AreSequenceEqual([3], _batches, "SkipRows(7)");
    }

    [TestMethod]
    public void View_RowCount_IsTheSources()
    {
        Assert.AreEqual(Tiny.AnimalCount, _view.GetRowCount());
        var filtered = Ml.Data.FilterRowsByColumn(Tiny.KeyedAnimals(Ml), "Number", 1);
        Assert.IsNull(Transformer.Transform(filtered).GetRowCount());
    }

    [TestMethod]
    public void Source_ThatShufflesFiltersSkipsCachesOrSplits_GivesEachRowItsImage()
    {
        var source = Tiny.KeyedAnimals(Ml);
        var images = BySeed(_view);
        var split = Ml.Data.TrainTestSplit(source, testFraction: 0.4, seed: 1);
        IDataView[] sources =
        [
            Ml.Data.FilterRowsByColumn(source, "Number", 1), Ml.Data.SkipRows(source, 3), Ml.Data.TakeRows(source, 5),
            Ml.Data.Cache(source), split.TrainSet, split.TestSet,
        ];
        var rows = 0;
        foreach (var some in sources)
        {
            foreach (var (seed, image) in BySeed(Transformer.Transform(some)))
            {
                Tiny.AreClose([images[seed]], [image]);
                rows++;
            }
        }
        Assert.AreEqual(6 + 7 + 5 + 10 + 10, rows);

        // A shuffled view gives its rows new ids, which decide the images: those read ahead must still be the rows'
        // own.
        var shuffled = Transformer.Transform(Ml.Data.ShuffleRows(source, seed: 2));
        ViewConformance.AreEqual(shuffled, shuffled);
        Assert.AreSequenceEqual(images.Keys, BySeed(shuffled).Keys, SequenceOrder.InAnyOrder);
    }

    [TestMethod]
    public void View_DownstreamOfItself_CachesAndSplits()
    {
        var images = Tiny.ImageBytes(_view);
        _batches.Clear();
        var cached = Ml.Data.Cache(_view, "GeneratedPixels"); // starts to read at once
        var first = cached.GetColumn<float[]>("GeneratedPixels").ToArray();
        var second = cached.GetColumn<float[]>("GeneratedPixels").ToArray();
        Assert.HasCount(3, _batches);
        for (var i = 0; i < Tiny.AnimalCount; i++)
            Assert.AreSequenceEqual(first[i], second[i]);

        var split = Ml.Data.TrainTestSplit(_view, testFraction: 0.4, seed: 1);
        var tested = Tiny.ImageBytes(split.TestSet);
        Assert.HasCount(Tiny.AnimalCount, Tiny.ImageBytes(split.TrainSet).Concat(tested).ToArray());
        foreach (var image in tested)
            Assert.IsTrue(images.Any(other => other.Zip(image, (a, b) => Math.Abs(a - b)).Max() <= 1));
    }

    [TestMethod]
    public void PassThroughColumns_OfEveryType_AreUntouched()
    {
        var rows = Enumerable.Range(3, 6).Select(i => new EveryType(i)).ToArray();
        var source = Tiny.Keyed(Ml, Ml.Data.LoadFromEnumerable(rows));
        var schema = source.Schema;
        var view = Transformer.Transform(source);

        var expected = ViewConformance.Read(source, _ => true);
        var actual = ViewConformance.Read(view, column => column.Index < schema.Count);

        Assert.IsGreaterThanOrEqualTo(19, schema.Count);
        for (var row = 0; row < expected.Count; row++)
        {
            for (var i = 0; i < schema.Count; i++)
                Cells.AreEqual(expected[row].Values[i], actual[row].Values[i], exact: true, schema[i].Name);
        }

        ViewConformance.Refuses(view);
    }

    [TestMethod]
    public void Source_ThatChangesWhenReadAgain_IsRefusedByRow()
    {
        var reads = 0;
        IEnumerable<Tiny.NameRow> Rows()
        {
            // Other threads of ML.NET read, too: no two of three reads in a row are alike.
            string[] animals = ["cat", "dog", "eel"];
            string[] names = ["cat", animals[Interlocked.Increment(ref reads) % 3], "dog"];
            return names.Select(name => new Tiny.NameRow { Name = name });
        }

        var view = Transformer.Transform(Tiny.KeyedNames(Ml, Changing(Rows)));
        using var cursor = view.GetRowCursor(view.Schema);
        var getter = cursor.GetGetter<MLImage>(view.Schema["GeneratedImage"]);
        MLImage image = null!;
        cursor.MoveNext();
        getter(ref image);
        cursor.MoveNext();
        Throws.Saying<InvalidOperationException>(() => getter(ref image), "Row 1: the source gave other rows");
    }

    [TestMethod]
    public void Cursors_BeforeAndAfterTheRows_HaveNoImage()
    {
        using var cursor = _view.GetRowCursor(_view.Schema);
        var getter = cursor.GetGetter<MLImage>(_view.Schema["GeneratedImage"]);
        MLImage image = null!;
        Assert.ThrowsExactly<InvalidOperationException>(() => getter(ref image));
        while (cursor.MoveNext())
        {
        }

        Assert.ThrowsExactly<InvalidOperationException>(() => getter(ref image));
    }

    [TestMethod]
    public void Transformer_UsedByManyThreads_GivesTheImagesOfOne()
    {
        var expected = Tiny.ImageBytes(_view);
        var alone = Predict();
        var inside = 0;
        var most = 0;
        void Evaluating(int images)
        {
            most = Math.Max(most, Interlocked.Increment(ref inside));
            Thread.Sleep(1); // for the others to enter, if they can
            Interlocked.Decrement(ref inside);
        }

        // Another model, of the same device.
        using var other = Tiny.Create(Ml);
        var otherAlone = Tiny.Pixels(other, Tiny.Rows(Ml));
        Transformer.Generator.Shared.Evaluating = Evaluating;
        other.Generator.Shared.Evaluating = Evaluating;
        Parallel.For(0, 6, new ParallelOptions { MaxDegreeOfParallelism = 6 }, i =>
        {
            if (i % 3 == 0)
                Tiny.AreClose(expected, Tiny.ImageBytes(Transformer.Transform(Tiny.KeyedAnimals(new MLContext()))));
            else if (i % 3 == 1)
                Tiny.AreClose(alone, Predict());
            else
                Assert.AreSequenceEqual(otherAlone[0], Tiny.Pixels(other, Tiny.Rows(new MLContext()))[0]);
        });
        Assert.AreEqual(1, most, "evaluations at a time");

        static byte[][] Predict()
        {
            var ml = new MLContext();
            using var engine = Tiny.Engine<Tiny.Row>(ml, Transformer, schema: Tiny.Schema<Tiny.Row>(labels: 3));
            var labels = Enumerable.Range(0, 5).Select(i => new Tiny.Row { Label = (uint)(i % 3) });
            return [.. labels.Select(label => engine.Predict(label).GeneratedImage!.Pixels.ToArray())];
        }
    }

    [TestMethod]
    [DataRow(0)]
    [DataRow(3)]
    [DataRow(20)]
    public void Cursor_Disposed_DisposesThoseOnTheSource(int reads)
    {
        var source = new CountingView(Tiny.KeyedAnimals(Ml));
        var view = Transformer.Transform(source);
        using (var cursor = view.GetRowCursor(view.Schema))
        {
            var getter = cursor.GetGetter<MLImage>(view.Schema["GeneratedImage"]);
            MLImage image = null!;
            for (var i = 0; i < reads && cursor.MoveNext(); i++) getter(ref image);
            Assert.AreEqual(2, source.Open);
        }

        Assert.AreEqual((0, 2), (source.Open, source.Opened));
    }

    [TestMethod]
    public void Cursor_OfWhichTheSecondFailsToOpen_DisposesTheFirst()
    {
        var source = new CountingView(Tiny.KeyedAnimals(Ml)) { Most = 1 };
        var view = Transformer.Transform(source);
        Assert.ThrowsExactly<IOException>(() => view.GetRowCursor(view.Schema));
        Assert.AreEqual((0, 1), (source.Open, source.Opened));
    }

    private static Dictionary<long, byte[]> BySeed(IDataView view) =>
        view.GetColumn<long>("Seed").Zip(Tiny.ImageBytes(view)).ToDictionary(row => row.First, row => row.Second);

    /// <summary>Returns rows that are computed again at every reading.</summary>
    private static IEnumerable<T> Changing<T>(Func<IEnumerable<T>> rows)
    {
        foreach (var row in rows())
            yield return row;
    }
}

using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;

namespace CondDiffusion.MLNet.Tests.Conformance;

[TestClass]
public sealed class BatchedGenerationTests
{
    private static readonly MLContext Ml = new(seed: 7);
    private static readonly ConditionalDiffusionTransformer Transformer = Tiny.Fit(Ml, Tiny.Options with { PixelsColumnName = "GeneratedPixels" });

    private readonly IDataView _view = Transformer.Transform(Tiny.Keyed(Ml));
    private readonly List<int> _drawn = [];

    [TestInitialize]
    public void Count() => Transformer.Generator.Shared.BatchStarting = _drawn.Add;

    [TestCleanup]
    public void StopCounting() => Transformer.Generator.Shared.BatchStarting = null;

    [ClassCleanup]
    public static void Free() => Transformer.Dispose();

    [TestMethod]
    public void View_ReadInWhole_DrawsEachBatchOnce()
    {
        ViewConformance.Read(_view, _ => true); // image and pixels
        CollectionAssert.AreEqual(new[] { 4, 4, 2 }, _drawn);
    }

    [TestMethod]
    public void View_OfAModelWithoutABatchSize_DrawsAsManyAsServeTheDevice()
    {
        var drawn = new List<int>();
        using var model = Tiny.Fit(Ml, Tiny.Options with { GenerationBatchSize = null });
        model.Generator.Shared.BatchStarting = drawn.Add;
        var rows = Ml.Data.LoadFromEnumerable(Enumerable.Range(0, 70).Select(_ => new Tiny.Row { Name = "cat", Pixels = new float[64] }));
        Assert.HasCount(70, Tiny.Pictures(model.Transform(Ml.Transforms.Conversion.MapValueToKey("Label", "Name").Fit(Tiny.Vectors(Ml)).Transform(rows))));
        CollectionAssert.AreEqual(new[] { 32, 32, 6 }, drawn);
    }

    [TestMethod]
    public void View_WithoutReadingPictures_DrawsNothing()
    {
        ViewConformance.Read(_view, column => column.Index < _view.Schema["GeneratedImage"].Index);
        using (var cursor = _view.GetRowCursor(_view.Schema))
        {
            var getter = cursor.GetGetter<MLImage>(_view.Schema["GeneratedImage"]); // active, but never called
            while (cursor.MoveNext()) Assert.IsNotNull(getter);
        }
        Assert.AreEqual(Tiny.Rows, Ml.Data.CreateEnumerable<Tiny.Row>(_view, reuseRowObject: false).Count());
        Assert.IsEmpty(_drawn);
    }

    [TestMethod]
    public void View_ReadInPart_DrawsFromTheFirstRowReadOn()
    {
        Assert.HasCount(1, Tiny.Pictures(Ml.Data.TakeRows(_view, 1)));
        CollectionAssert.AreEqual(new[] { 4 }, _drawn, "TakeRows(1)");

        _drawn.Clear();
        var all = Tiny.Pictures(_view);
        _drawn.Clear();
        Tiny.AreClose(all[7..], Tiny.Pictures(Ml.Data.SkipRows(_view, 7)));
        CollectionAssert.AreEqual(new[] { 3 }, _drawn, "SkipRows(7)");
    }

    [TestMethod]
    public void View_RowCount_IsTheSources()
    {
        Assert.AreEqual(Tiny.Rows, _view.GetRowCount());
        Assert.IsNull(Transformer.Transform(Ml.Data.FilterRowsByColumn(Tiny.Keyed(Ml), "Number", 1)).GetRowCount());
    }

    [TestMethod]
    public void Source_ThatShufflesFiltersSkipsCachesOrSplits_GivesEachRowItsPicture()
    {
        var source = Tiny.Keyed(Ml);
        var pictures = BySeed(_view);
        var split = Ml.Data.TrainTestSplit(source, testFraction: 0.4, seed: 1);
        IDataView[] sources =
        [
            Ml.Data.FilterRowsByColumn(source, "Number", 1), Ml.Data.SkipRows(source, 3), Ml.Data.TakeRows(source, 5),
            Ml.Data.Cache(source), split.TrainSet, split.TestSet,
        ];
        var rows = 0;
        foreach (var some in sources)
        {
            foreach (var (seed, picture) in BySeed(Transformer.Transform(some)))
            {
                Tiny.AreClose([pictures[seed]], [picture]);
                rows++;
            }
        }
        Assert.AreEqual(6 + 7 + 5 + 10 + 10, rows);

        // A shuffled view numbers its rows anew, so that pictures go by the new ids: what was read ahead must still be the row itself.
        var shuffled = Transformer.Transform(Ml.Data.ShuffleRows(source, seed: 2));
        ViewConformance.AreEqual(shuffled, shuffled);
        CollectionAssert.AreEquivalent(pictures.Keys, BySeed(shuffled).Keys);
    }

    [TestMethod]
    public void View_DownstreamOfItself_CachesAndSplits()
    {
        var pictures = Tiny.Pictures(_view);
        var cached = Ml.Data.Cache(_view, "GeneratedPixels");
        _drawn.Clear();
        var first = cached.GetColumn<float[]>("GeneratedPixels").ToArray();
        var second = cached.GetColumn<float[]>("GeneratedPixels").ToArray();
        Assert.HasCount(3, _drawn);
        for (var i = 0; i < Tiny.Rows; i++) CollectionAssert.AreEqual(first[i], second[i]);

        var split = Ml.Data.TrainTestSplit(_view, testFraction: 0.4, seed: 1);
        Assert.HasCount(Tiny.Rows, Tiny.Pictures(split.TrainSet).Concat(Tiny.Pictures(split.TestSet)).ToArray());
        foreach (var picture in Tiny.Pictures(split.TestSet))
            Assert.IsTrue(pictures.Any(other => other.Zip(picture, (a, b) => Math.Abs(a - b)).Max() <= 1));
    }

    [TestMethod]
    public void PassThroughColumns_OfEveryType_AreUntouched()
    {
        var source = Tiny.Keyed(Ml, Ml.Data.LoadFromEnumerable(Enumerable.Range(3, 6).Select(i => new EveryType(i)).ToArray()));
        var schema = source.Schema;
        var view = Transformer.Transform(source);

        var expected = ViewConformance.Read(source, _ => true);
        var actual = ViewConformance.Read(view, column => column.Index < schema.Count);

        Assert.IsGreaterThanOrEqualTo(19, schema.Count);
        for (var row = 0; row < expected.Count; row++)
            for (var i = 0; i < schema.Count; i++) Cells.AreEqual(expected[row].Values[i], actual[row].Values[i], exact: true, schema[i].Name);
        ViewConformance.Refuses(view);
    }

    [TestMethod]
    public void Source_ThatChangesWhenReadAgain_IsRefusedByRow()
    {
        var reads = 0;
        IEnumerable<Tiny.Row> Rows()
        {
            var names = reads++ % 2 == 0 ? ["cat", "dog", "eel"] : new[] { "cat", "eel", "dog" };
            return names.Select(name => new Tiny.Row { Name = name });
        }

        var labels = Ml.Transforms.Conversion.MapValueToKey("Label", "Name").Fit(Tiny.Vectors(Ml));
        var view = Transformer.Transform(labels.Transform(Ml.Data.LoadFromEnumerable(Changing(Rows))));
        using var cursor = view.GetRowCursor(view.Schema);
        var getter = cursor.GetGetter<MLImage>(view.Schema["GeneratedImage"]);
        MLImage image = null!;
        cursor.MoveNext();
        getter(ref image);
        cursor.MoveNext();
        var e = Assert.ThrowsExactly<InvalidOperationException>(() => getter(ref image));
        Assert.Contains("Row 1: the source gave other rows", e.Message);
    }

    [TestMethod]
    public void Cursors_BeforeAndAfterTheRows_HaveNoPicture()
    {
        using var cursor = _view.GetRowCursor(_view.Schema);
        var getter = cursor.GetGetter<MLImage>(_view.Schema["GeneratedImage"]);
        MLImage image = null!;
        Assert.ThrowsExactly<InvalidOperationException>(() => getter(ref image));
        while (cursor.MoveNext()) { }
        Assert.ThrowsExactly<InvalidOperationException>(() => getter(ref image));
    }

    [TestMethod]
    public void Transformer_UsedByManyThreads_GivesThePicturesOfOne()
    {
        var expected = Tiny.Pictures(_view);
        var alone = Predict();
        int inside = 0, most = 0;
        Transformer.Generator.Shared.BatchStarting = _ =>
        {
            most = Math.Max(most, Interlocked.Increment(ref inside));
            Thread.Sleep(2); // for the others to come in, if they can
            Interlocked.Decrement(ref inside);
        };
        Parallel.For(0, 4, i =>
        {
            if (i % 2 == 0) Tiny.AreClose(expected, Tiny.Pictures(Transformer.Transform(Tiny.Keyed(new MLContext()))));
            else Tiny.AreClose(alone, Predict());
        });
        Assert.AreEqual(1, most, "threads drawing at a time");

        static byte[][] Predict()
        {
            var ml = new MLContext();
            using var engine = ml.Model.CreatePredictionEngine<KeyRow, PictureRow>(
                Transformer, new PredictionEngineOptions { OwnsTransformer = false, InputSchemaDefinition = KeyRow.Schema });
            return [.. Enumerable.Range(0, 5).Select(i => engine.Predict(new() { Label = (uint)(i % 3) }).GeneratedImage!.Pixels.ToArray())];
        }
    }

    private static Dictionary<long, byte[]> BySeed(IDataView view) =>
        view.GetColumn<long>("Seed").Zip(Tiny.Pictures(view)).ToDictionary(row => row.First, row => row.Second);

    private static IEnumerable<T> Changing<T>(Func<IEnumerable<T>> rows)
    {
        foreach (var row in rows()) yield return row;
    }
}

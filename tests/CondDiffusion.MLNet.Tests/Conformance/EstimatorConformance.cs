using CondDiffusion.MLNet.Interop;
using CondDiffusion.MLNet.Tests.Support;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Transforms.Image;

namespace CondDiffusion.MLNet.Tests.Conformance;

/// <summary>
/// Checks what every estimator and its transformer have to do: what ML.NET's tests ask of its own, and more.
/// </summary>
internal static class EstimatorConformance
{
    /// <summary>Fits an estimator, saves and loads its transformer, and checks what all three promise and do.</summary>
    /// <param name="ml">Context with another seed than 99.</param>
    /// <param name="estimator">The estimator to check.</param>
    /// <param name="fit">Data to fit it to.</param>
    /// <param name="transform">Data that the fitted transformer takes, but the estimator does not.</param>
    /// <param name="invalid">Data that neither takes.</param>
    /// <returns>The fitted transformer.</returns>
    public static ITransformer Check(
        MLContext ml,
        IEstimator<ITransformer> estimator,
        IDataView fit,
        IDataView? transform = null,
        IDataView? invalid = null)
    {
        var promise = estimator.GetOutputSchema(MLNetInternals.Shape(fit.Schema));
        foreach (var refused in new[] { transform, invalid }.OfType<IDataView>())
        {
            ViewConformance.Fails(
                () => estimator.GetOutputSchema(MLNetInternals.Shape(refused.Schema)),
                "GetOutputSchema of what cannot be fitted");
            ViewConformance.Fails(() => estimator.Fit(refused), "Fit to what cannot be fitted");
        }

        var fitted = estimator.Fit(fit);
        var loaded = Reload(ml, fitted, fit.Schema, out var stored);
        ViewConformance.AreEqual(Storable(fit.Schema), Storable(stored), "the stored input schema");
        foreach (var data in new[] { fit, transform }.OfType<IDataView>())
        {
            var schema = fitted.GetOutputSchema(data.Schema);
            ViewConformance.AreEqual(schema, loaded.GetOutputSchema(data.Schema), "the loaded transformer's schema");
            var view = fitted.Transform(data);
            var loadedView = loaded.Transform(data);
            ViewConformance.AreEqual(schema, view.Schema, "the view's schema");
            ViewConformance.AreEqual(schema, loadedView.Schema, "the loaded transformer's view's schema");
            ViewConformance.AreEqual(view, loadedView);
            ViewConformance.Refuses(view);
            CheckRowMapper(fitted, data, view);
            CheckRowMapper(loaded, data, view);
        }

        if (invalid is not null)
        {
            foreach (var transformer in new[] { fitted, loaded })
            {
                ViewConformance.Fails(
                    () => transformer.GetOutputSchema(invalid.Schema), "GetOutputSchema of invalid data");
                ViewConformance.Fails(() => transformer.Transform(invalid), "Transform of invalid data");
            }
        }

        CheckPromise(promise, MLNetInternals.Shape(fitted.GetOutputSchema(fit.Schema)));
        (loaded as IDisposable)?.Dispose();
        return fitted;
    }

    /// <summary>Saves a transformer, and loads it with another context.</summary>
    public static ITransformer Reload(
        MLContext ml, ITransformer transformer, DataViewSchema? inputSchema, out DataViewSchema? stored)
    {
        using var file = new MemoryStream();
        ml.Model.Save(transformer, inputSchema, file);
        file.Position = 0;
        return new MLContext(seed: 99).Model.Load(file, out stored);
    }

    private static void CheckRowMapper(ITransformer transformer, IDataView data, IDataView view)
    {
        if (!transformer.IsRowToRowMapper)
        {
            ViewConformance.Fails(
                () => transformer.GetRowToRowMapper(data.Schema), "GetRowToRowMapper of what maps no rows");
            return;
        }

        var mapper = transformer.GetRowToRowMapper(data.Schema);
        Assert.AreSame(data.Schema, mapper.InputSchema, "the row mapper's input schema");
        ViewConformance.AreEqual(view.Schema, mapper.OutputSchema, "the row mapper's output schema");

        var expected = ViewConformance.Read(view, _ => true);
        using var cursor = data.GetRowCursor(mapper.GetDependencies(mapper.OutputSchema));
        using var row = mapper.GetRow(cursor, mapper.OutputSchema);
        Assert.AreSame(mapper.OutputSchema, row.Schema, "the row's schema");
        var getters = mapper.OutputSchema.Select(column => Cells.Getter(row, column)).ToArray();
        foreach (var (_, values) in expected)
        {
            Assert.IsTrue(cursor.MoveNext());
            for (var i = 0; i < getters.Length; i++)
                Cells.AreEqual(values[i], getters[i](), exact: false, $"the row mapper's {row.Schema[i].Name}");
        }

        foreach (var column in mapper.OutputSchema)
        {
            using var source = data.GetRowCursor(data.Schema);
            using var other = mapper.GetRow(source, mapper.OutputSchema.Where(active => active.Index == column.Index));
            Assert.IsTrue(other.IsColumnActive(column), $"{column.Name} is active in the row");
            _ = Cells.Getter(other, column);
        }
    }

    /// <summary>
    /// Asserts that kinds, item types, sizes of images and keys are those promised, with annotations neither missing
    /// nor extra.
    /// </summary>
    private static void CheckPromise(SchemaShape promise, SchemaShape delivered)
    {
        Assert.AreSequenceEqual(
            Describe(promise), Describe(delivered), SequenceOrder.InAnyOrder, "promised and delivered");

        static string[] Describe(SchemaShape shape) => [.. shape.Select(column =>
        {
            string[] annotations = column.Annotations is null ? [] : [.. Describe(column.Annotations).Order()];
            return $"{column.Name}: {column.Kind} of {column.ItemType} {Size(column.ItemType)}, " +
                $"{(column.IsKey ? "key, " : "")}with [{string.Join("; ", annotations)}]";
        })];

        static string Size(DataViewType type) =>
            type is ImageDataViewType image ? $"{image.Height} x {image.Width}" : "";
    }

    /// <summary>
    /// Returns the columns that a stored schema has: ML.NET cannot store images, and stores one column of each name.
    /// </summary>
    private static DataViewSchema Storable(DataViewSchema? schema)
    {
        var builder = new DataViewSchema.Builder();
        foreach (var column in schema ?? throw new InvalidOperationException("No schema was stored."))
        {
            if (column.Type is not ImageDataViewType && !column.IsHidden)
                builder.AddColumn(column.Name, column.Type, column.Annotations);
        }

        return builder.ToSchema();
    }
}
